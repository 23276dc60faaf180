"""A context that keeps coins, for the rules: handlers of each kind, over any way to a database."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from databases import Way
from pydantic import BaseModel, Field

from sea_mq import Event, Handlers
from sea_mq.database import in_one_go
from sea_mq.testing import Context, Server

TABLES = "CREATE TABLE coins (coin_id uuid NOT NULL, value integer NOT NULL CHECK (value < 1000));"


class Coin(BaseModel):
    """A coin that is thrown."""

    coin_id: UUID
    value: int = Field(strict=True, ge=0)


class Hooks:
    """What is to happen inside a handler, by coin: after its effects, and before the mark."""

    def __init__(self) -> None:
        self.inside: dict[UUID, Callable[[], Any]] = {}
        self.asked: dict[UUID, Callable[[], Any]] = {}
        # Statements of the handler's own, after its effects.
        self.sql: dict[UUID, list[str]] = {}
        # How many events each call of the handler for many was given.
        self.together: list[int] = []


def provisioned(server: Server) -> Context:
    """The context ``kit`` with its table."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "0001_coins.sql").write_text(TABLES)
        return Context.provision(server, "kit", Path(folder))


def handlers(way: Way, url: str, hooks: Hooks, wait_secs: float = 5) -> Handlers[Any, Any]:
    """``coin_thrown``: each for itself, ``coin_shared``: together, ``coin_counted``: many, ``coin_asked``: after a
    question, ``coin_ignored``: not at all. Each keeps the coin and tells of it.
    """
    found: Handlers[Any, Any] = Handlers(way(url, wait_secs))
    blocking = found.database.blocking

    async def run(hook: Callable[[], Any] | None) -> Any:
        if hook is None:
            return None
        return hook() if blocking else await asyncio.to_thread(hook)

    async def keep(tx: Any, event: Event[Coin], **cause: Any) -> None:
        coin = event.payload
        insert = "INSERT INTO coins (coin_id, value) VALUES (:coin, :value)"
        await way.execute(tx, insert, coin=coin.coin_id, value=coin.value)
        told = tx.emit("kit.event.coin_kept.v1", {"coin_id": coin.coin_id}, aggregate=("coin", coin.coin_id), **cause)
        if not blocking:
            await told
        for statement in hooks.sql.get(coin.coin_id, []):
            await way.execute(tx, statement)
        await run(hooks.inside.get(coin.coin_id))

    async def keep_many(tx: Any, events: list[Event[Coin]]) -> None:
        hooks.together.append(len(events))
        for event in events:
            await keep(tx, event, cause=event)

    async def ask(event: Event[Coin]) -> Any:
        return await run(hooks.asked.get(event.payload.coin_id))

    register(found, keep, keep_many, ask)
    found.ignore("coin_ignored", 1)
    return found


def register(found: Handlers[Any, Any], keep: Any, keep_many: Any, ask: Any) -> None:
    """In the colour of the database."""
    if found.database.blocking:

        def one(tx: Any, event: Event[Coin]) -> None:
            in_one_go(keep(tx, event))

        def many(tx: Any, events: list[Event[Coin]]) -> None:
            in_one_go(keep_many(tx, events))

        def asking(event: Event[Coin]) -> Any:
            return in_one_go(ask(event))

        def after(tx: Any, event: Event[Coin], asked: Any) -> None:
            in_one_go(keep(tx, event))
    else:

        async def one(tx: Any, event: Event[Coin]) -> None:
            await keep(tx, event)

        async def many(tx: Any, events: list[Event[Coin]]) -> None:
            await keep_many(tx, events)

        async def asking(event: Event[Coin]) -> Any:
            return await ask(event)

        async def after(tx: Any, event: Event[Coin], asked: Any) -> None:
            await keep(tx, event)

    found.on("coin_thrown", 1)(one)
    found.on("coin_shared", 1, transaction="together")(one)
    found.on_many("coin_counted", 1)(many)
    found.on("coin_asked", 1, ask=asking)(after)
    found.on("coin_asked_shared", 1, ask=asking, transaction="together")(after)
