"""A handler that does not fit is refused where it is written, with what to write. Nothing connects."""

import functools
import unittest
from dataclasses import dataclass
from typing import Any

import sources  # noqa: F401 (first: it makes the rest importable)
from psycopg import AsyncConnection, Connection
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from sea_mq import AsyncTransaction, Event, Handlers, Transaction
from sea_mq.psycopg import AsyncPsycopg, Psycopg


class Coin(BaseModel):
    value: int


@dataclass
class Note:
    value: int


class Penny(TypedDict):
    value: int


Tx = Transaction[Connection]


def blocking() -> Handlers[Any, Any]:
    return Handlers(Psycopg(ConnectionPool("", open=False)))


def awaited() -> Handlers[Any, Any]:
    return Handlers(AsyncPsycopg(AsyncConnectionPool("", open=False)))


class TestAnnotations(unittest.TestCase):
    def test_the_payload_is_what_the_annotation_says(self) -> None:
        class Local(BaseModel):
            value: int

        def model(tx: Tx, event: Event[Coin]) -> None: ...
        def text(tx: "Tx", event: "Event[Coin]") -> "None": ...
        def local(tx: Tx, event: "Event[Local]") -> None:
            Local(value=1)

        def dataclass_(tx: Tx, event: Event[Note]) -> None: ...
        def typed_dict(tx: Tx, event: Event[Penny]) -> None: ...
        def mapping(tx: Tx, event: Event[dict[str, int]]) -> None: ...
        def partial(before: int, tx: Tx, event: Event[Coin]) -> None: ...

        class Books:
            def method(self, tx: Tx, event: Event[Coin]) -> None: ...

        functions = (model, text, local, dataclass_, typed_dict, mapping, Books().method)
        for version, function in enumerate((*functions, functools.partial(partial, 1)), 1):
            handlers = blocking()
            self.assertIs(handlers.on("coin_thrown", version)(function), function)
            registration = handlers.registrations["coin_thrown", version]
            assert registration is not None
            payload = registration.payload.validate_json('{"value": 5}')
            self.assertEqual(payload["value"] if isinstance(payload, dict) else payload.value, 5)

    def test_what_does_not_fit_is_refused_with_what_to_write(self) -> None:
        def bare(tx, event): ...  # type: ignore[no-untyped-def]
        def model(tx: Tx, event: Coin) -> None: ...
        def unbound(tx: Tx, event: Event) -> None: ...  # type: ignore[type-arg]
        def unknown(tx: Tx, event: "Event[Nowhere]") -> None: ...  # type: ignore[name-defined] # noqa: F821
        def few(tx: Tx) -> None: ...
        def more(tx: Tx, event: Event[Coin], asked: int) -> None: ...
        def strange(tx: Tx, event: Event[Connection]) -> None: ...
        def many(tx: Tx, events: list[Event[Coin]]) -> None: ...

        for function in (bare, model, unbound, unknown, few, more, strange, many, lambda tx, event: None):
            with self.assertRaises(TypeError) as refused:
                blocking().on("coin_thrown", 1)(function)
            said = str(refused.exception)
            self.assertIn(f"{function.__name__}: write it as (tx, event: Event[Model]), with the payload's own", said)

        def one(tx: Tx, event: Event[Coin]) -> None: ...

        with self.assertRaisesRegex(TypeError, r"one: write it as \(tx, events: list\[Event\[Model\]\]\)"):
            blocking().on_many("coin_thrown", 1)(one)
        with self.assertRaisesRegex(TypeError, r"one: write it as \(tx, event: Event\[Model\], asked\)"):
            blocking().on("coin_thrown", 1, ask=lambda event: 1)(one)

    def test_a_strict_model_takes_what_json_says(self) -> None:
        from datetime import datetime
        from uuid import UUID

        from sea_mq.event import Call
        from sea_mq.work import Work, prepared

        class Strict(BaseModel):
            model_config = ConfigDict(strict=True)
            coin_id: UUID
            at: datetime

        def strict(tx: Tx, event: Event[Strict]) -> None: ...

        handlers = blocking()
        handlers.on("coin_thrown", 1)(strict)
        call = Call(
            message_id=UUID(int=1), subject="o.event.coin_thrown.v1", event_type="coin_thrown", event_version=1,
            correlation_id=UUID(int=2), consumer="c", attempt=1, fence=1,
            payload={"coin_id": str(UUID(int=3)), "at": "2026-05-04T09:00:00Z"},
        )  # fmt: skip
        work = prepared(handlers, 0, call)
        assert isinstance(work, Work)
        self.assertEqual(work.event.payload.coin_id, UUID(int=3))


class TestColours(unittest.TestCase):
    def test_blocking_and_awaited_do_not_mix(self) -> None:
        def plain(tx: Tx, event: Event[Coin]) -> None: ...
        async def later(tx: AsyncTransaction[AsyncConnection], event: Event[Coin]) -> None: ...
        def plain_many(tx: Tx, events: list[Event[Coin]]) -> None: ...
        async def ask(event: Event[Coin]) -> int:
            return 1

        class Later:
            async def __call__(self, tx: AsyncTransaction[AsyncConnection], event: Event[Coin]) -> None: ...

        for register, said in [
            (lambda: blocking().on("coin_thrown", 1)(later), "later: write it with `def`, .* over Psycopg"),
            (lambda: blocking().on("coin_thrown", 1)(Later()), "Later.* write it with `def`"),
            (lambda: blocking().on("coin_thrown", 1, ask=ask)(plain), "ask: write it with `def`"),
            (lambda: awaited().on("coin_thrown", 1)(plain), "plain: write it with `async def`, .* over AsyncPsycopg"),
            (lambda: awaited().on_many("coin_thrown", 1)(plain_many), "plain_many: write it with `async def`"),
        ]:
            with self.assertRaisesRegex(TypeError, said):
                register()
        awaited().on("coin_thrown", 1)(Later())


class TestModes(unittest.TestCase):
    def test_a_registration_says_its_own_or_takes_what_holds_for_all(self) -> None:
        def one(tx: Tx, event: Event[Coin]) -> None: ...

        for everywhere in ("each", "together"):
            handlers: Handlers[Any, Any] = Handlers(Psycopg(ConnectionPool("", open=False)), transaction=everywhere)
            handlers.on("coin_thrown", 1)(one)
            handlers.on("coin_thrown", 2, transaction="each")(one)
            handlers.on("coin_thrown", 3, transaction="together")(one)
            found = [it.together for it in handlers.registrations.values() if it]
            self.assertEqual(found, [everywhere == "together", False, True])


class TestNames(unittest.TestCase):
    def test_one_handler_for_an_event(self) -> None:
        def one(tx: Tx, event: Event[Coin]) -> None: ...

        handlers = blocking()
        handlers.on("coin_thrown", 1)(one)
        handlers.ignore("coin_thrown", 2)
        for again in (lambda: handlers.ignore("coin_thrown", 1), lambda: handlers.on("coin_thrown", 2)(one)):
            with self.assertRaisesRegex(ValueError, "has a handler already"):
                again()

    def test_what_can_be_no_event_is_refused(self) -> None:
        for event_type, version in [("CoinThrown", 1), ("", 1), ("other.event.coin_thrown.v1", 1), ("coin_thrown", 0)]:
            with self.assertRaisesRegex(ValueError, "is no event"):
                blocking().ignore(event_type, version)
        with self.assertRaisesRegex(ValueError, "write 'each' or 'together'"):
            Handlers(Psycopg(ConnectionPool("", open=False)), transaction="all")  # type: ignore[arg-type]
        with self.assertRaisesRegex(ValueError, "write 'each' or 'together'"):
            blocking().on("coin_thrown", 1, transaction="all")  # type: ignore[call-overload]


if __name__ == "__main__":
    unittest.main()
