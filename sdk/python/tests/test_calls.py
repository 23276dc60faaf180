"""Handlers handed their events without broker, worker or HTTP; and events of an application's own."""

import logging
import unittest
from datetime import datetime, timezone
from typing import Any
from unittest import mock
from uuid import uuid4

import asyncpg
import psycopg
from coins import Coin, Hooks, handlers, provisioned
from databases import WAYS
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

import sea_mq.asyncpg
import sea_mq.psycopg
import sea_mq.sqlalchemy
from sea_mq import Retry
from sea_mq.testing import AsyncCalls, Calls, Server

THROWN = "other.event.coin_thrown.v1"


def setUpModule() -> None:
    global kit
    logging.getLogger("sea_mq").setLevel(logging.CRITICAL)
    server = Server.start()
    unittest.addModuleCleanup(server.stop)
    kit = provisioned(server)
    unittest.addModuleCleanup(kit.close)


def coin() -> dict[str, Any]:
    return {"coin_id": str(uuid4()), "value": 5}


def away() -> None:
    raise Retry("the mint is away")


class TestPools(unittest.TestCase):
    def test_asyncpg_gives_up_after_the_server_and_before_the_worker(self) -> None:
        with mock.patch.object(asyncpg, "create_pool") as create_pool:
            sea_mq.asyncpg.connection_pool("postgres://there/db")()
        self.assertEqual(create_pool.call_args.kwargs["command_timeout"], 25)


class TestCalls(unittest.TestCase):
    def setUp(self) -> None:
        self.hooks = Hooks()
        self.handlers = handlers(WAYS[0], kit.app_url, self.hooks)
        self.addCleanup(self.handlers.database._pool.close)

    def test_what_came_of_an_event_and_what_it_sent(self) -> None:
        with Calls(self.handlers, kit.worker_url) as calls:
            payload = Coin.model_validate(coin())
            outcome = calls.hand(THROWN, payload, aggregate=("hand", "left"))
            self.assertEqual((outcome.status, outcome.why, outcome.retry_after), (200, "processed", None))
            (event,) = outcome.emitted
            self.assertEqual(
                (event.subject, event.payload), ("kit.event.coin_kept.v1", {"coin_id": str(payload.coin_id)})
            )
            self.assertEqual(event.aggregate, ("coin", str(payload.coin_id)))
            self.assertEqual(str(event.correlation_id), outcome.call["correlation_id"])
            self.assertEqual(str(event.causation_id), outcome.call["message_id"])
            self.assertEqual(calls.repeat(outcome.call).status, 409)

    def test_a_failure_and_the_next_attempt(self) -> None:
        with Calls(self.handlers, kit.worker_url) as calls:
            payload = Coin.model_validate(coin())
            self.hooks.inside[payload.coin_id] = away
            outcome = calls.hand(THROWN, payload)
            self.assertEqual((outcome.status, outcome.retry_after, outcome.emitted), (503, 1, []))
            self.hooks.inside.clear()
            again = calls.repeat(calls.again(outcome))
            self.assertEqual((again.status, again.call["attempt"], len(again.emitted)), (200, 2, 1))
            self.assertEqual(calls.repeat(outcome.call).status, 409)

    def test_a_batch(self) -> None:
        with Calls(self.handlers, kit.worker_url) as calls:
            counted = "other.event.coin_counted.v1"
            outcomes = calls.hand_batch([(counted, coin()), (counted, {**coin(), "value": "x"}), (counted, coin())])
            self.assertEqual([it.status for it in outcomes], [200, 422, 200])
            self.assertEqual(([len(it.emitted) for it in outcomes], self.hooks.together), ([1, 0, 1], [2]))


class TestAsyncCalls(unittest.IsolatedAsyncioTestCase):
    async def test_they_are_the_same(self) -> None:
        for way in (WAYS[2], WAYS[4], WAYS[7]):
            hooks = Hooks()
            found = handlers(way, kit.app_url, hooks)
            async with AsyncCalls(found, kit.worker_url) as calls:
                outcome = await calls.hand(THROWN, coin())
                self.assertEqual((outcome.status, len(outcome.emitted)), (200, 1))
                self.assertEqual((await calls.repeat(outcome.call)).status, 409)
                batch = await calls.hand_batch([(THROWN, coin()), ("other.event.coin_lost.v1", {})])
                self.assertEqual([it.status for it in batch], [200, 404])
            await found.database.close()


class TestEmit(unittest.IsolatedAsyncioTestCase):
    """In a transaction of an application's own, with and without all that may be said."""

    ORIGIN = {
        "aggregate": ("coin", "c"), "correlation_id": uuid4(), "causation_id": uuid4(),
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "occurred_at": datetime(2026, 5, 4, tzinfo=timezone.utc),
        "publish_after": datetime(2099, 5, 4, tzinfo=timezone.utc),
    }  # fmt: skip
    SUBJECT = "kit.event.coin_minted.v1"

    def url(self, driver: str) -> str:
        return kit.app_url.replace("postgres", f"postgresql+{driver}", 1).replace("qlql", "ql", 1)

    def assert_sent(self, bare: Any, whole: Any) -> None:
        (row,) = kit.rows("SELECT * FROM outbox_events WHERE id = %s", bare)
        self.assertEqual((row["correlation_id"], row["causation_id"], row["payload"]), (bare, None, {"value": 1}))
        (row,) = kit.rows("SELECT * FROM outbox_events WHERE id = %s", whole)
        renamed = {**self.ORIGIN, "trace_id": self.ORIGIN["traceparent"], "aggregate_id": "c", "aggregate_type": "coin"}
        del renamed["traceparent"], renamed["aggregate"]
        self.assertEqual({name: row[name] for name in renamed}, renamed)

    def test_psycopg_and_a_rollback_sends_nothing(self) -> None:
        with psycopg.connect(kit.app_url) as connection:
            emit = sea_mq.psycopg.emit
            found = emit(connection, self.SUBJECT, {"value": 1}), emit(connection, self.SUBJECT, {}, **self.ORIGIN)
            connection.commit()
            gone = emit(connection, self.SUBJECT, {})
            connection.rollback()
        self.assert_sent(*found)
        self.assertEqual(kit.rows("SELECT FROM outbox_events WHERE id = %s", gone), [])

    async def test_psycopg_awaited(self) -> None:
        async with await psycopg.AsyncConnection.connect(kit.app_url) as connection:
            bare = await sea_mq.psycopg.emit_async(connection, self.SUBJECT, {"value": 1})
            whole = await sea_mq.psycopg.emit_async(connection, self.SUBJECT, {}, **self.ORIGIN)
        self.assert_sent(bare, whole)

    async def test_asyncpg_whatever_its_codecs(self) -> None:
        connection = await asyncpg.connect(kit.app_url)
        try:
            await connection.set_type_codec("jsonb", encoder=lambda it: f'"{it}"', decoder=str, schema="pg_catalog")
            async with connection.transaction():
                bare = await sea_mq.asyncpg.emit(connection, self.SUBJECT, {"value": 1})
                whole = await sea_mq.asyncpg.emit(connection, self.SUBJECT, {}, **self.ORIGIN)
        finally:
            await connection.close()
        self.assert_sent(bare, whole)

    def test_sqlalchemy(self) -> None:
        engine = create_engine(self.url("psycopg"))
        with Session(engine) as session, session.begin():
            bare = sea_mq.sqlalchemy.emit(session, self.SUBJECT, {"value": 1})
            whole = sea_mq.sqlalchemy.emit(session.connection(), self.SUBJECT, {}, **self.ORIGIN)
        engine.dispose()
        self.assert_sent(bare, whole)

    async def test_sqlalchemy_awaited(self) -> None:
        engine = create_async_engine(self.url("asyncpg"))
        async with AsyncSession(engine) as session, session.begin():
            bare = await sea_mq.sqlalchemy.emit_async(session, self.SUBJECT, {"value": 1})
            whole = await sea_mq.sqlalchemy.emit_async(session, self.SUBJECT, {}, **self.ORIGIN)
        await engine.dispose()
        self.assert_sent(bare, whole)


if __name__ == "__main__":
    unittest.main()
