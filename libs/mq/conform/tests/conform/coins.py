"""A context that keeps coins, on the Python SDK."""

import os
from uuid import UUID

from fastapi import FastAPI
from psycopg import Connection
from pydantic import BaseModel, Field

from sea_mq import Event, Handlers, Transaction
from sea_mq.fastapi import lifespan, router
from sea_mq.psycopg import Psycopg, connection_pool
from sea_mq.serve import secrets, serve


class Coin(BaseModel):
    """A coin that is thrown."""

    coin_id: UUID
    value: int = Field(strict=True, ge=0)


def keep(tx: Transaction[Connection], event: Event[Coin]) -> None:
    """Tells of it: the effect."""
    coin = event.payload
    tx.emit(os.environ["KEPT"], {"coin_id": coin.coin_id}, aggregate=("coin", coin.coin_id))


def app() -> FastAPI:
    """The service."""
    handlers = Handlers(Psycopg(connection_pool(os.environ["DB_URL"])), transaction=os.environ["TRANSACTION"])
    handlers.on("coin_thrown", 1)(keep)
    service = FastAPI(lifespan=lifespan(handlers))
    service.include_router(router(handlers, batch=20, secrets=secrets(os.environ)))
    return service


if __name__ == "__main__":
    serve("coins:app", 0)
