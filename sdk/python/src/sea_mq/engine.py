"""From the worker's calls to their answers: each event takes effect exactly once, and fails alone.

    prepare ──▶ ask ──▶ together ──────────────▶ one by one
    404, 422    503     one transaction for      a transaction each: for those that chose it,
                        those that chose it      and for all of `together` when that failed

Written once for blocking and awaited databases, see :mod:`sea_mq.database`.
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from sea_mq import inbox
from sea_mq.answer import DONE, Answer, Poison, Retry, busy, poison, refused, unmarked, verdict
from sea_mq.asking import ask_all
from sea_mq.database import Opened, TransactionEnded, Unreachable
from sea_mq.event import Call
from sea_mq.handlers import Handlers
from sea_mq.log import about_call, about_failure, log, say
from sea_mq.work import NotCurrent, Work, prepared

_ENDED = "a handler used COMMIT or ROLLBACK, or a library that did: its effects may be lost, or happen twice"


async def run(handlers: Handlers[Any, Any], calls: Sequence[Call], *, batch: bool = False) -> list[Answer]:
    """Handles the calls, and says in one log line for each what came of it. Raises nothing."""
    return await _Run(handlers, calls, batch).all()


class _Run:
    """One request of the worker."""

    def __init__(self, handlers: Handlers[Any, Any], calls: Sequence[Call], batch: bool) -> None:
        self._handlers = handlers
        self._database = handlers.database
        self._calls = calls
        self._size = len(calls) if batch else None
        self._answers: list[Answer | None] = [None] * len(calls)
        self._started = time.monotonic()

    async def all(self) -> list[Answer]:
        work = [made for place, call in enumerate(self._calls) if (made := self._prepared(place, call))]
        await self._ask([it for it in work if it.registration.ask])
        shared = [it for it in self._open(work) if it.registration.together]
        if len(shared) > 1:
            await self._together(shared)
        await self._one_by_one(self._open(work))
        return [answer or Answer(500, "nothing came of it") for answer in self._answers]

    def _open(self, work: list[Work]) -> list[Work]:
        return [it for it in work if self._answers[it.place] is None]

    def _answer(self, place: int, answer: Answer) -> None:
        self._answers[place] = answer
        say(self._calls[place], answer, time.monotonic() - self._started, self._size)

    def _prepared(self, place: int, call: Call) -> Work | None:
        try:
            made = prepared(self._handlers, place, call)
        except Exception as error:
            made = self._failed(error, call)
        if isinstance(made, Work):
            return made
        self._answer(place, made)
        return None

    async def _ask(self, work: list[Work]) -> None:
        """Asks for those whose attempt may run; no connection is held meanwhile."""
        if not work:
            return
        try:
            async with self._database.connection() as connection:
                rows = await self._database.ask(connection, inbox.begin([it.event for it in work]))
        except Exception as error:
            for it in work:
                self._answer(it.place, self._failed(error, it.call))
            return
        current = self._current(work, rows)
        for it, asked in zip(current, await ask_all(current, self._database.blocking), strict=True):
            if isinstance(asked, Exception):
                self._answer(it.place, self._failed(asked, it.call))
            else:
                it.asked = (asked,)

    def _current(self, work: list[Work], rows: list[tuple[Any, ...]]) -> list[Work]:
        """Those that may run; the others are answered."""
        for it, row in zip(work, rows, strict=True):
            if answer := verdict(row[0]):
                self._answer(it.place, answer)
        return self._open(work)

    async def _together(self, work: list[Work]) -> None:
        """One transaction for all. When it fails nobody is answered who has an effect in it."""
        current = work
        try:
            async with self._database.connection() as connection:
                async with self._database.transaction(connection, inbox.begin([it.event for it in work])) as opened:
                    current = self._current(work, opened.rows)
                    await self._effects(opened, current)
        except Unreachable as error:
            for it in self._open(work):
                self._answer(it.place, self._failed(error, it.call))
        except Exception as error:
            about = about_failure(error, self._database.problem(error))
            log.info("a batch is run again one by one", extra={"fields": {"batch": len(current), **about}})
        else:
            for it in current:
                self._answer(it.place, DONE)

    async def _effects(self, opened: Opened, work: list[Work]) -> None:
        if work:
            for together in _grouped(work):
                await self._call(opened.scope, together)
                if not self._database.is_open(opened.scope):
                    raise TransactionEnded
            opened.last = partial(self._mark, opened.scope, work)

    async def _mark(self, scope: Any, work: list[Work]) -> None:
        """As processed."""
        try:
            rows = await self._database.ask(scope, inbox.complete([it.event for it in work]))
        except Exception as error:
            problem = self._database.problem(error)
            if answer := problem and unmarked(problem):
                raise NotCurrent(answer) from error
            raise
        if len(rows) < len(work):
            raise TransactionEnded

    async def _call(self, scope: Any, work: list[Work]) -> None:
        """One call of a function: with one event, or with all that a function for many has."""
        first = work[0]
        if first.registration.many:
            given = self._database.handed(scope, None), [it.event for it in work]
        else:
            given = self._database.handed(scope, first.event), first.event, *first.asked
        returned = first.registration.function(*given)
        if not self._database.blocking:
            await returned

    async def _one_by_one(self, work: list[Work]) -> None:
        """A transaction for each, on one connection while that holds."""
        left = list(reversed(work))
        while left:
            try:
                async with self._database.connection() as connection:
                    usable = True
                    while left and usable:
                        it = left.pop()
                        self._answer(it.place, await self._alone(connection, it))
                        usable = self._database.usable(connection)
            except Exception as error:
                # No connection; waiting for one for each of them would be too long for the worker.
                for it in left:
                    self._answer(it.place, self._failed(error, it.call))
                return

    async def _alone(self, connection: Any, it: Work) -> Answer:
        try:
            async with self._database.transaction(connection, inbox.begin([it.event])) as opened:
                if answer := verdict(opened.rows[0][0]):
                    raise NotCurrent(answer)
                await self._effects(opened, [it])
        except Exception as error:
            return self._failed(error, it.call)
        return DONE

    def _failed(self, error: Exception, call: Call) -> Answer:
        """What follows from an error, after everything was rolled back."""
        if isinstance(error, NotCurrent):
            return error.answer
        if isinstance(error, Poison):
            return poison(str(error))
        if isinstance(error, Retry):
            return busy(str(error), call.attempt, error.after)
        if isinstance(error, Unreachable):
            return busy(str(error), call.attempt)
        problem = self._database.problem(error)
        about = {"fields": {**about_call(call), **about_failure(error, problem)}}
        if isinstance(error, TransactionEnded):
            log.error(_ENDED, extra=about)
            return Answer(500, "the handler ended the transaction it was given; see its log")
        if problem is None:
            log.error("the handler failed", extra=about)
            return Answer(500, f"the handler failed ({type(error).__name__}); see its log")
        answer = refused(problem, call.attempt)
        log.warning("the database refused", extra=about)
        return answer


def _grouped(work: list[Work]) -> list[list[Work]]:
    """In the batch's order; what goes to a function for many is together, where the first of it stands."""
    groups: dict[object, list[Work]] = {}
    for it in work:
        groups.setdefault(("many", id(it.registration)) if it.registration.many else it.place, []).append(it)
    return list(groups.values())
