"""psycopg 3, blocking and awaited.

    handlers = Handlers(Psycopg(connection_pool(db_url)))

    def vibe_scored(tx: Transaction[Connection], event: Event[VibeScored]) -> None:
        tx.connection.execute(...)

An API's own transaction sends with :func:`emit`, or :func:`emit_async`.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, Connection, RawCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolClosed, PoolTimeout
from typing_extensions import Unpack

from sea_mq.answer import Problem
from sea_mq.database import WAIT_SECS, Database, Opened, Statement, Unreachable
from sea_mq.emission import EMIT, Origin, Payload, emission, event_id
from sea_mq.event import Event
from sea_mq.transaction import AsyncTransaction, Transaction

__all__ = ["AsyncPsycopg", "Psycopg", "async_connection_pool", "connection_pool", "emit", "emit_async"]

# The pool's own attempts back off; after this long the next call starts anew, so that a database which comes back is
# found within seconds.
_RECONNECT_SECS = 4
_NONE_FREE = "no connection to the database is free, or it cannot be reached"
_CLOSED = "the pool of connections is not open; sea_mq.fastapi.lifespan opens it"


def connection_pool(db_url: str, *, name: str = "handlers", max_size: int = 16) -> ConnectionPool[Connection[Any]]:
    """A pool that starts without its database and finds it within seconds. ``lifespan`` opens and closes it.

    A server that is gone without a word is noticed before the worker gives the call up.
    """
    return ConnectionPool(db_url, **_pool(name, max_size))


def async_connection_pool(
    db_url: str, *, name: str = "handlers", max_size: int = 16
) -> AsyncConnectionPool[AsyncConnection[Any]]:
    """As :func:`connection_pool`, awaited."""
    return AsyncConnectionPool(db_url, **_pool(name, max_size))


def _pool(name: str, max_size: int) -> dict[str, Any]:
    connection = {
        "autocommit": True,
        "application_name": name,
        "connect_timeout": int(WAIT_SECS),
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    sizes = {"min_size": min(2, max_size), "max_size": max_size, "reconnect_timeout": _RECONNECT_SECS}
    return {**sizes, "kwargs": connection, "open": False}


class _Errors:
    def problem(self, error: BaseException) -> Problem | None:
        """What psycopg's error means."""
        if not isinstance(error, psycopg.Error):
            return None
        lost = error.sqlstate is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Problem(error.sqlstate, lost, error.diag.table_name, error.diag.constraint_name)


class Psycopg(_Errors, Database[Transaction[Connection[Any]], None]):
    """A pool of blocking connections, autocommit or not."""

    blocking = True

    def __init__(self, pool: ConnectionPool[Any], *, wait_secs: float = WAIT_SECS) -> None:
        self._pool = pool
        self._wait_secs = wait_secs

    async def open(self) -> None:
        """Does not wait for the database."""
        self._pool.open()

    async def close(self) -> None:
        """Waits a little for connections in use."""
        self._pool.close()

    @asynccontextmanager
    async def connection(self, wait_secs: float | None = None) -> AsyncIterator[Connection[Any]]:
        """Raises Unreachable."""
        try:
            connection = self._pool.getconn(wait_secs or self._wait_secs)
        except PoolClosed:
            raise Unreachable(_CLOSED) from None
        except PoolTimeout:
            raise Unreachable(_NONE_FREE) from None
        try:
            yield connection
        finally:
            if _in_transaction(connection):
                connection.rollback()
            self._pool.putconn(connection)

    def usable(self, connection: Connection[Any]) -> bool:
        """Unless it broke."""
        return not connection.closed

    @asynccontextmanager
    async def transaction(self, connection: Connection[Any], first: Statement) -> AsyncIterator[Opened]:
        """Its scope is the connection."""
        ended = False
        with connection.transaction():
            opened = Opened(connection, _ask(connection, *first))
            yield opened
            if opened.last:
                await opened.last()
            ended = True
        if not ended:
            # psycopg.Rollback leaves the block in silence.
            raise RuntimeError("the handler rolled its transaction back")

    async def ask(self, connection: Connection[Any], statement: Statement) -> list[tuple[Any, ...]]:
        """By a cursor of its own."""
        return _ask(connection, *statement)

    def is_open(self, scope: Connection[Any]) -> bool:
        """Also when it failed, or the connection broke."""
        return _is_open(scope)

    def handed(self, scope: Connection[Any], cause: Event[Any] | None) -> Transaction[Connection[Any]]:
        """With the connection."""
        return Transaction(scope, partial(_ask, scope), cause)


class AsyncPsycopg(_Errors, Database[AsyncTransaction[AsyncConnection[Any]], Awaitable[None]]):
    """A pool of awaited connections, autocommit or not."""

    blocking = False

    def __init__(self, pool: AsyncConnectionPool[Any], *, wait_secs: float = WAIT_SECS) -> None:
        self._pool = pool
        self._wait_secs = wait_secs

    async def open(self) -> None:
        """Does not wait for the database."""
        await self._pool.open()

    async def close(self) -> None:
        """Waits a little for connections in use."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self, wait_secs: float | None = None) -> AsyncIterator[AsyncConnection[Any]]:
        """Raises Unreachable."""
        try:
            connection = await self._pool.getconn(wait_secs or self._wait_secs)
        except PoolClosed:
            raise Unreachable(_CLOSED) from None
        except PoolTimeout:
            raise Unreachable(_NONE_FREE) from None
        try:
            yield connection
        finally:
            if _in_transaction(connection):
                await connection.rollback()
            await self._pool.putconn(connection)

    def usable(self, connection: AsyncConnection[Any]) -> bool:
        """Unless it broke."""
        return not connection.closed

    @asynccontextmanager
    async def transaction(self, connection: AsyncConnection[Any], first: Statement) -> AsyncIterator[Opened]:
        """Its scope is the connection."""
        ended = False
        async with connection.transaction():
            opened = Opened(connection, await _ask_async(connection, *first))
            yield opened
            if opened.last:
                await opened.last()
            ended = True
        if not ended:
            # psycopg.Rollback leaves the block in silence.
            raise RuntimeError("the handler rolled its transaction back")

    async def ask(self, connection: AsyncConnection[Any], statement: Statement) -> list[tuple[Any, ...]]:
        """By a cursor of its own."""
        return await _ask_async(connection, *statement)

    def is_open(self, scope: AsyncConnection[Any]) -> bool:
        """Also when it failed, or the connection broke."""
        return _is_open(scope)

    def handed(self, scope: AsyncConnection[Any], cause: Event[Any] | None) -> AsyncTransaction[AsyncConnection[Any]]:
        """With the connection."""
        return AsyncTransaction(scope, partial(_ask_async, scope), cause)


def emit(connection: Connection[Any], subject: str, payload: Payload, **origin: Unpack[Origin]) -> UUID:
    """Puts an event into the outbox in the connection's own transaction: it is sent once that has committed.

    ``aggregate=(type, id)`` keeps it in order with others; see :class:`~sea_mq.emission.Origin` for what else may be
    said. Returns the event's id. Raises ValueError when a time has no zone, and psycopg's errors.
    """
    return event_id(_ask(connection, EMIT, emission(subject, payload, **origin)))


async def emit_async(
    connection: AsyncConnection[Any], subject: str, payload: Payload, **origin: Unpack[Origin]
) -> UUID:
    """As :func:`emit`, awaited."""
    return event_id(await _ask_async(connection, EMIT, emission(subject, payload, **origin)))


def _ask(connection: Connection[Any], statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Whatever rows and placeholders the connection is set to."""
    with RawCursor(connection, row_factory=tuple_row) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


async def _ask_async(connection: AsyncConnection[Any], statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    async with AsyncRawCursor(connection, row_factory=tuple_row) as cursor:
        return await (await cursor.execute(statement.encode(), values)).fetchall()


def _is_open(connection: Connection[Any] | AsyncConnection[Any]) -> bool:
    return connection.info.transaction_status != TransactionStatus.IDLE


def _in_transaction(connection: Connection[Any] | AsyncConnection[Any]) -> bool:
    """After a statement outside of a transaction, on a connection without autocommit."""
    return connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)
