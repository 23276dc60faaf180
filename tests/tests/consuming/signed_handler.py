"""A handler on the Python SDK that takes signed calls alone, and keeps an effect of each event."""

import os
from typing import Any

from fastapi import FastAPI
from psycopg import Connection
from psycopg.types.json import Jsonb

from sea_mq import Event, Handlers, Transaction
from sea_mq.fastapi import lifespan, router
from sea_mq.psycopg import Psycopg, connection_pool
from sea_mq.serve import secrets, serve


def keep(tx: Transaction[Connection], event: Event[dict[str, Any]]) -> None:
    """The effect that the history checker looks for."""
    tx.connection.execute(
        "INSERT INTO effects (message_id, consumer, fence, payload) VALUES (%s, %s, %s, %s)",
        (event.message_id, event.consumer, event.fence, Jsonb(event.payload)),
    )


def app() -> FastAPI:
    """The service."""
    handlers = Handlers(Psycopg(connection_pool(os.environ["DB_URL"])))
    handlers.on("vibe_scored", 1)(keep)
    service = FastAPI(lifespan=lifespan(handlers))
    service.include_router(router(handlers, secrets=secrets(os.environ)))
    return service


if __name__ == "__main__":
    serve("signed_handler:app", 0)
