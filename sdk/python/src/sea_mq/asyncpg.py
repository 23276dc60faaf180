"""asyncpg.

    handlers = Handlers(Asyncpg(connection_pool(db_url)))

    async def vibe_scored(tx: AsyncTransaction[Connection], event: Event[VibeScored]) -> None:
        await tx.connection.execute(...)

An API's own transaction sends with :func:`emit`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from asyncpg import Connection, Pool
from typing_extensions import Unpack

from sea_mq.answer import Problem
from sea_mq.database import WAIT_SECS, Database, Opened, Statement, Unreachable
from sea_mq.emission import EMIT, Origin, Payload, emission, event_id
from sea_mq.event import Event
from sea_mq.inbox import STATEMENT_TIMEOUT_MS
from sea_mq.log import about_failure, log
from sea_mq.transaction import AsyncTransaction

__all__ = ["Asyncpg", "connection_pool", "emit"]

# For a server that is gone without a word and cannot say that a statement took too long: after it would have given the
# statement up, and before the worker gives the call up (30 s).
_ANSWER_SECS = STATEMENT_TIMEOUT_MS / 1000 + 5


def connection_pool(db_url: str, *, name: str = "handlers", max_size: int = 16) -> Callable[[], Pool]:
    """Makes a pool that starts without its database, on the loop that the application runs on.

    A statement that is not answered within 25 s fails.
    """
    settings = {"application_name": name, "tcp_user_timeout": "20000"}
    return partial(
        asyncpg.create_pool,
        db_url,
        min_size=0,
        max_size=max_size,
        timeout=WAIT_SECS,
        command_timeout=_ANSWER_SECS,
        server_settings=settings,
    )


class Asyncpg(Database[AsyncTransaction[Connection], Awaitable[None]]):
    """A pool of connections; or a function that makes it, called when the application starts.

    asyncpg ties a pool to the loop that it was made on.
    """

    blocking = False

    def __init__(self, pool: Pool | Callable[[], Pool], *, wait_secs: float = WAIT_SECS) -> None:
        self._made = pool
        self._wait_secs = wait_secs
        self._pool: Pool | None = None

    async def open(self) -> None:
        """Makes the pool's ``min_size`` connections: raises when there are any to make and the database is away."""
        self._pool = self._made if isinstance(self._made, Pool) else self._made()
        await self._pool

    async def close(self) -> None:
        """Waits for connections in use."""
        if self._pool is not None:
            await self._pool.close()

    @asynccontextmanager
    async def connection(self, wait_secs: float | None = None) -> AsyncIterator[Any]:
        """Raises Unreachable."""
        pool = self._pool or self._made
        if not isinstance(pool, Pool):
            raise Unreachable("the pool of connections is not open; sea_mq.fastapi.lifespan opens it")
        try:
            connection = await pool.acquire(timeout=wait_secs or self._wait_secs)
        # What connecting fails with: TimeoutError has two names before Python 3.11.
        except Exception as error:
            log.warning("no connection to the database", extra={"fields": about_failure(error, self.problem(error))})
            raise Unreachable("no connection to the database is free, or it cannot be reached") from None
        try:
            yield connection
        finally:
            await pool.release(connection)

    def usable(self, connection: Any) -> bool:
        """Unless it broke."""
        return not connection.is_closed()

    @asynccontextmanager
    async def transaction(self, connection: Any, first: Statement) -> AsyncIterator[Opened]:
        """Its scope is the connection."""
        async with connection.transaction():
            opened = Opened(connection, await _ask(connection, *first))
            yield opened
            if opened.last:
                await opened.last()

    async def ask(self, connection: Any, statement: Statement) -> list[tuple[Any, ...]]:
        """By a statement that the connection keeps prepared."""
        return await _ask(connection, *statement)

    def is_open(self, scope: Any) -> bool:
        """Also when it failed, or the connection broke."""
        return bool(scope.is_closed() or scope.is_in_transaction())

    def handed(self, scope: Any, cause: Event[Any] | None) -> AsyncTransaction[Connection]:
        """With the connection."""
        return AsyncTransaction(scope, partial(_ask, scope), cause)

    def problem(self, error: BaseException) -> Problem | None:
        """What asyncpg's error means."""
        if isinstance(error, asyncpg.PostgresError):
            return Problem(error.sqlstate, False, error.table_name, error.constraint_name)
        if isinstance(error, asyncpg.InterfaceError):
            # Also for misuse; only the text tells them apart.
            return Problem(None, "closed" in str(error))
        return None


async def emit(connection: Connection, subject: str, payload: Payload, **origin: Unpack[Origin]) -> UUID:
    """Puts an event into the outbox in the connection's own transaction: it is sent once that has committed.

    ``aggregate=(type, id)`` keeps it in order with others; see :class:`~sea_mq.emission.Origin` for what else may be
    said. Returns the event's id. Raises ValueError when a time has no zone, and asyncpg's errors.
    """
    return event_id(await _ask(connection, EMIT, emission(subject, payload, **origin)))


async def _ask(connection: Any, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.fetch(statement, *values)]
