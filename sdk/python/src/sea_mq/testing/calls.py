"""Events handed to handlers: no broker, no worker, no HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from sea_mq.answer import Answer
from sea_mq.database import in_one_go
from sea_mq.engine import run
from sea_mq.handlers import Handlers
from sea_mq.testing.inbox import Call, Emitted, Inbox
from sea_mq.wire import read_batch, read_call

Payload = Mapping[str, Any] | BaseModel


@dataclass(frozen=True)
class Outcome:
    """What the worker would be told about an event, and what its handler has sent."""

    status: int
    why: str
    retry_after: int | None
    emitted: list[Emitted]
    call: Call = field(repr=False)


class _Calls:
    def __init__(self, handlers: Handlers[Any, Any], worker_url: str) -> None:
        """``worker_url`` is the context's database as its worker's role, or as a superuser: it plays the worker."""
        self._handlers = handlers
        self._inbox = Inbox(worker_url)

    def close(self) -> None:
        """Drops the worker's connection; the handlers' pool is left to who opened it."""
        self._inbox.close()

    def _new(self, subject: str, payload: Payload, aggregate: tuple[str, str] | None) -> Call:
        # Of no worker: one that runs on this database leaves these events alone.
        return self._inbox.attempt(f"test__from_{subject.partition('.')[0]}", subject, payload, aggregate)

    def _outcome(self, call: Call, answer: Answer) -> Outcome:
        return Outcome(answer.status, answer.why, answer.retry_after, self._inbox.emitted(call), call)

    def again(self, outcome: Outcome) -> Call:
        """Starts another attempt at an event, as a worker does after a failure; for ``repeat``."""
        return self._inbox.attempt_again(outcome.call)


class Calls(_Calls):
    """Hands events to handlers over a blocking database.

    with Calls(handlers, worker_url) as calls:
        outcome = calls.hand("vibespro.event.vibe_scored.v1", {"vibe_id": "v", "score": 69})
        assert outcome.status == 200 and outcome.emitted[0].subject == "sea.event.case_created.v1"
    """

    def __enter__(self) -> "Calls":
        in_one_go(self._handlers.database.open())
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hand(self, subject: str, payload: Payload, *, aggregate: tuple[str, str] | None = None) -> Outcome:
        """A new event in its first attempt."""
        return self.repeat(self._new(subject, payload, aggregate))

    def repeat(self, call: Call) -> Outcome:
        """A call as it is: ``outcome.call`` for a duplicate, ``calls.again(outcome)`` for the next attempt."""
        (answer,) = in_one_go(run(self._handlers, [_read(call)]))
        return self._outcome(call, answer)

    def hand_batch(self, events: Sequence[tuple[str, Payload]]) -> list[Outcome]:
        """New events, each a subject and a payload, in one batch."""
        calls = [self._new(subject, payload, None) for subject, payload in events]
        answers = in_one_go(run(self._handlers, _read_all(calls), batch=True))
        return [self._outcome(call, answer) for call, answer in zip(calls, answers, strict=True)]


class AsyncCalls(_Calls):
    """As :class:`Calls`, for handlers that are awaited."""

    async def __aenter__(self) -> "AsyncCalls":
        await self._handlers.database.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def hand(self, subject: str, payload: Payload, *, aggregate: tuple[str, str] | None = None) -> Outcome:
        """A new event in its first attempt."""
        return await self.repeat(self._new(subject, payload, aggregate))

    async def repeat(self, call: Call) -> Outcome:
        """A call as it is: ``outcome.call`` for a duplicate, ``calls.again(outcome)`` for the next attempt."""
        (answer,) = await run(self._handlers, [_read(call)])
        return self._outcome(call, answer)

    async def hand_batch(self, events: Sequence[tuple[str, Payload]]) -> list[Outcome]:
        """New events, each a subject and a payload, in one batch."""
        calls = [self._new(subject, payload, None) for subject, payload in events]
        answers = await run(self._handlers, _read_all(calls), batch=True)
        return [self._outcome(call, answer) for call, answer in zip(calls, answers, strict=True)]


def _read(call: Call) -> Any:
    return read_call(json.dumps(call).encode(), None)


def _read_all(calls: list[Call]) -> Any:
    return read_batch(json.dumps(calls).encode(), len(calls))
