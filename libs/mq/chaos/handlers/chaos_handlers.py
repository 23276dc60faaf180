"""The handlers of a chaos run: an effect for each event, and whatever the event tells them to do."""

import os
import time
from typing import Any

from fastapi import FastAPI
from psycopg import Connection
from psycopg.types.json import Jsonb

from sea_mq import Event, Handlers, Poison, Transaction
from sea_mq.fastapi import lifespan, router
from sea_mq.psycopg import Psycopg, connection_pool
from sea_mq.serve import secrets, serve

CONTEXT = os.environ["CONTEXT"]
BATCH = int(os.environ.get("BATCH", "0"))
Payload = dict[str, Any]


class Unwell(Exception):
    """The failure that an event asked for."""


def keep(tx: Transaction[Connection], event: Event[Payload]) -> None:
    """The effect that the history checker looks for."""
    tx.connection.execute(
        "INSERT INTO effects (message_id, consumer, fence, payload) VALUES (%s, %s, %s, %s)",
        (event.message_id, event.consumer, event.fence, Jsonb(event.payload)),
    )


def answer_back(tx: Transaction[Connection], event: Event[Payload]) -> None:
    """An effect, and an event of this context's own that it causes."""
    keep(tx, event)
    payload = {"at": time.time_ns() // 1_000_000}
    aggregate = ("note", str(event.payload.get("n", 0) % 50))
    # Whoever writes an aggregate holds its row: calls that run side by side take turns.
    tx.connection.execute(
        "INSERT INTO aggregates AS a (kind, id, version) VALUES (%s, %s, 1)"
        " ON CONFLICT (kind, id) DO UPDATE SET version = a.version + 1",
        aggregate,
    )
    tx.emit(f"{CONTEXT}.event.noted.v1", payload, aggregate=aggregate)


def keep_slowly(tx: Transaction[Connection], event: Event[Payload]) -> None:
    """An effect whose transaction stays open for a while."""
    keep(tx, event)
    time.sleep(event.payload["ms"] / 1000)


def keep_at_last(tx: Transaction[Connection], event: Event[Payload]) -> None:
    """Fails as often as it is told, each time after the effect."""
    keep(tx, event)
    if event.attempt <= event.payload["times"]:
        raise Unwell("as it was told")


def refuse(tx: Transaction[Connection], event: Event[Payload]) -> None:
    """Poison, noticed after the effect."""
    keep(tx, event)
    raise Poison("as it was told")


def app() -> FastAPI:
    """The service."""
    handlers = Handlers(Psycopg(connection_pool(os.environ["DB_URL"])))
    together = "together" if BATCH else "each"
    for name in ("updated", "viewed", "noted", "planned"):
        handlers.on(name, 1, transaction=together)(keep)
    handlers.on("asked", 1)(answer_back)
    handlers.on("slowed", 1)(keep_slowly)
    handlers.on("failed", 1)(keep_at_last)
    handlers.on("poisoned", 1)(refuse)
    service = FastAPI(lifespan=lifespan(handlers))
    batch = {"batch": BATCH} if BATCH else {}
    service.include_router(router(handlers, secrets=secrets(os.environ), **batch))
    return service


if __name__ == "__main__":
    serve("chaos_handlers:app", 0)
