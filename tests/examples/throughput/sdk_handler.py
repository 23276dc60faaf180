"""A handler on the Python SDK with one INSERT for each event, in the mode that MODE names."""

import os
from typing import Any

from fastapi import FastAPI
from psycopg import Connection
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from sea_mq import Event, Handlers, Transaction
from sea_mq.fastapi import lifespan, router
from sea_mq.psycopg import Psycopg, connection_pool
from sea_mq.serve import serve

INSERT = "INSERT INTO effects (message_id, consumer, fence, payload) VALUES (%s, %s, %s, %s)"
INSERT_MANY = (
    "INSERT INTO effects (message_id, consumer, fence, payload)"
    " SELECT * FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::jsonb[])"
)


class Created(BaseModel):
    """The payload."""

    n: int
    filling: str


def keep(tx: Transaction[Connection], event: Event[Created]) -> None:
    """One effect."""
    row = (event.message_id, event.consumer, event.fence, Jsonb({"n": event.payload.n}))
    tx.connection.execute(INSERT, row)


def keep_many(tx: Transaction[Connection], events: list[Event[Created]]) -> None:
    """The effects of all events, in one statement."""
    columns: tuple[list[Any], ...] = (
        [it.message_id for it in events],
        [it.consumer for it in events],
        [it.fence for it in events],
        [Jsonb({"n": it.payload.n}) for it in events],
    )
    tx.connection.execute(INSERT_MANY, columns)


def app() -> FastAPI:
    """The service."""
    mode = os.environ["MODE"]
    handlers = Handlers(Psycopg(connection_pool(os.environ["DB_URL"])))
    if mode == "many":
        handlers.on_many("vibe_created", 1)(keep_many)
    else:
        handlers.on("vibe_created", 1, transaction="together" if mode == "together" else "each")(keep)
    service = FastAPI(lifespan=lifespan(handlers))
    service.include_router(router(handlers, batch=None if mode == "one by one" else 200))
    return service


if __name__ == "__main__":
    serve("sdk_handler:app", 0)
