"""What the engine needs of a database library: one small class for each of them.

Every method is a coroutine. Those of a blocking library never suspend, so that the engine is written once: over such
a library :func:`in_one_go` runs it to its end in the calling thread.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from sea_mq.answer import Problem
from sea_mq.event import Event

T = TypeVar("T")  # what a handler is given to act in
R = TypeVar("R")  # what a handler returns: None, or an Awaitable of it
V = TypeVar("V")

# A connection that is not free by then is told as 503, well before the worker gives the call up (30 s).
WAIT_SECS = 5.0


Statement = tuple[str, Sequence[Any]]
"""With ``$1`` and so on, and the values."""


@dataclass
class Opened:
    """A transaction: what it is acted in, such as the connection or a session, and the first statement's rows.

    ``last`` is run at the end, before the commit.
    """

    scope: Any
    rows: list[tuple[Any, ...]]
    last: Callable[[], Awaitable[None]] | None = None


class Unreachable(Exception):
    """No connection to the database could be had; the text says why, without addresses."""


class TransactionEnded(Exception):
    """A handler ended the transaction that it was given: with COMMIT, with ROLLBACK, or by a library that did."""


class Database(ABC, Generic[T, R]):
    """A context's database as its application role, through one library."""

    blocking: ClassVar[bool]

    @abstractmethod
    async def open(self) -> None:
        """Makes it ready for connections; the database itself may be away."""

    @abstractmethod
    async def close(self) -> None:
        """Closes every connection."""

    @abstractmethod
    def connection(self, wait_secs: float | None = None) -> AbstractAsyncContextManager[Any]:
        """A connection for a while. Raises :class:`Unreachable` when none is free after ``wait_secs``, or as long as
        the database was set to wait.
        """

    @abstractmethod
    def usable(self, connection: Any) -> bool:
        """Whether it may serve for another transaction."""

    @abstractmethod
    def transaction(self, connection: Any, first: Statement) -> AbstractAsyncContextManager[Opened]:
        """A transaction that begins with a statement. At its end it is committed, and rolled back after any error:
        that error goes on.
        """

    @abstractmethod
    async def ask(self, connection: Any, statement: Statement) -> list[tuple[Any, ...]]:
        """The rows of a statement, in no transaction of its own. Also takes a transaction's scope."""

    @abstractmethod
    def is_open(self, scope: Any) -> bool:
        """Whether a statement would still be in a transaction, as far as the library knows without asking the server.

        False spares what comes after, which would take effect by itself.
        """

    @abstractmethod
    def handed(self, scope: Any, cause: Event[Any] | None) -> T:
        """What a handler is given."""

    @abstractmethod
    def problem(self, error: BaseException) -> Problem | None:
        """What the library's error means; nothing when the error is not its own."""


def in_one_go(work: Coroutine[Any, Any, V]) -> V:
    """Runs a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as done:
        value: V = done.value
        return value
    work.close()
    raise RuntimeError("a blocking database was awaited")
