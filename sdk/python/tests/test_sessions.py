"""What only SQLAlchemy's sessions can do: hold changes back, and commit by mistake."""

import logging
import unittest
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from coins import Coin, provisioned
from databases import WAYS
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sea_mq import Event, Handlers
from sea_mq.sqlalchemy import AsyncSessionTransaction, SessionTransaction
from sea_mq.testing import AsyncCalls, Calls, Server

THROWN = "other.event.coin_thrown.v1"


class Base(DeclarativeBase):
    pass


class KeptCoin(Base):
    __tablename__ = "coins"

    coin_id: Mapped[UUID] = mapped_column(primary_key=True)
    value: Mapped[int]


def setUpModule() -> None:
    global kit
    logging.getLogger("sea_mq").setLevel(logging.CRITICAL)
    server = Server.start()
    unittest.addModuleCleanup(server.stop)
    kit = provisioned(server)
    unittest.addModuleCleanup(kit.close)


def fail(_: Session) -> None:
    raise KeyError


# What the handler does with the session after its change, the status, and whether the change is kept.
CASES: list[tuple[Callable[[Session], Any], int, int, bool]] = [
    (lambda session: None, 5, 200, True),  # flushed for it
    (lambda session: None, 31337, 500, False),  # refused when it is flushed
    (lambda session: session.commit(), 5, 200, True),  # commits nothing yet
    (lambda session: (session.commit(), fail(session)), 5, 500, False),
    (lambda session: session.rollback(), 5, 500, False),  # what it has taken back is not processed
    (lambda session: session.execute(text("ROLLBACK")), 5, 500, False),  # nor is what is flushed after it kept
]


class TestSessions(unittest.IsolatedAsyncioTestCase):
    def found(self, way: int) -> tuple[Handlers[Any, Any], list[Callable[[Session], Any]]]:
        handlers: Handlers[Any, Any] = Handlers(WAYS[way](kit.app_url))
        then: list[Callable[[Session], Any]] = []

        def keep(tx: SessionTransaction, event: Event[Coin]) -> None:
            tx.session.add(KeptCoin(coin_id=event.payload.coin_id, value=event.payload.value))
            then[0](tx.session)

        async def keep_async(tx: AsyncSessionTransaction, event: Event[Coin]) -> None:
            tx.session.add(KeptCoin(coin_id=event.payload.coin_id, value=event.payload.value))
            await tx.session.run_sync(then[0])

        handlers.on("coin_thrown", 1)(keep if handlers.database.blocking else keep_async)
        return handlers, then

    def check(self, outcome: Any, payload: dict[str, Any], status: int, kept: bool) -> None:
        rows = kit.rows("SELECT FROM coins WHERE coin_id = %s", payload["coin_id"])
        state = "processed" if kept else "running"
        self.assertEqual((outcome.status, len(rows), kit.inbox(outcome.call)["state"]), (status, int(kept), state))

    def test_blocking(self) -> None:
        handlers, then = self.found(5)
        with Calls(handlers, kit.worker_url) as calls:
            for then[:1], value, status, kept in [([it[0]], *it[1:]) for it in CASES]:
                payload = {"coin_id": str(uuid4()), "value": value}
                self.check(calls.hand(THROWN, payload), payload, status, kept)
        handlers.database._engine.dispose()

    async def test_awaited(self) -> None:
        for way in (6, 7):
            handlers, then = self.found(way)
            async with AsyncCalls(handlers, kit.worker_url) as calls:
                for then[:1], value, status, kept in [([it[0]], *it[1:]) for it in CASES]:
                    payload = {"coin_id": str(uuid4()), "value": value}
                    self.check(await calls.hand(THROWN, payload), payload, status, kept)
            await handlers.database.close()


if __name__ == "__main__":
    unittest.main()
