"""A handler on the Python SDK that offers batches, and keeps an effect of each event."""

import os
from typing import Any

from fastapi import FastAPI
from psycopg import Connection
from psycopg.types.json import Jsonb

from sea_mq import Event, Handlers, Poison, Retry, Transaction
from sea_mq.fastapi import lifespan, router
from sea_mq.psycopg import Psycopg, connection_pool
from sea_mq.serve import serve


def keep(tx: Transaction[Connection], event: Event[dict[str, Any]]) -> None:
    """The effect that the history checker looks for, even where it is rolled back after all."""
    tx.connection.execute(
        "INSERT INTO effects (message_id, consumer, fence, payload) VALUES (%s, %s, %s, %s)",
        (event.message_id, event.consumer, event.fence, Jsonb(event.payload)),
    )
    if event.payload.get("do") == "poison":
        raise Poison("as it was told")
    if event.payload.get("do") == "fail once" and event.attempt == 1:
        raise Retry("as it was told", after=1)


def keep_many(tx: Transaction[Connection], events: list[Event[dict[str, Any]]]) -> None:
    """The same for all events of a type in a batch."""
    for event in events:
        keep(tx, event)


def app() -> FastAPI:
    """The service."""
    handlers = Handlers(Psycopg(connection_pool(os.environ["DB_URL"])))
    handlers.on("vibe_scored", 1, transaction="together")(keep)
    handlers.on_many("vibe_updated", 1)(keep_many)
    service = FastAPI(lifespan=lifespan(handlers))
    service.include_router(router(handlers, batch=50))
    return service


if __name__ == "__main__":
    serve("batch_handler:app", 0)
