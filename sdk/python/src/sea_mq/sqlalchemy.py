"""SQLAlchemy 2, blocking and awaited, over any of its drivers for Postgres.

    handlers = Handlers(SqlAlchemy(create_engine("postgresql+psycopg://…")))

    def vibe_scored(tx: SessionTransaction, event: Event[VibeScored]) -> None:
        tx.session.add(...)

The session is flushed and committed after the handler has returned; a handler commits nothing itself. How long a
connection is waited for is the engine's own ``pool_timeout``: set it to about 5 s, well below the worker's 30 s.

An API's own transaction sends with :func:`emit`, or :func:`emit_async`.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from typing_extensions import Unpack

from sea_mq.answer import Problem
from sea_mq.database import Database, Opened, Statement, Unreachable
from sea_mq.emission import EMIT, Origin, Payload, emission, event_id
from sea_mq.event import Event
from sea_mq.log import about_failure, log
from sea_mq.transaction import AsyncEmitter, Emitter, Rows

__all__ = ["AsyncSessionTransaction", "AsyncSqlAlchemy", "SessionTransaction", "SqlAlchemy", "emit", "emit_async"]

_NONE_FREE = "no connection to the database is free, or it cannot be reached"
# A handler that commits or rolls back the session itself does not end the transaction in which the mark is set.
_JOIN: Any = "rollback_only"


class SessionTransaction(Emitter):
    """An open transaction, in ``session``. It is committed with the inbox's mark, after the handler has returned."""

    def __init__(self, session: Session, ask: Callable[[str, Sequence[Any]], Rows], cause: Event[Any] | None) -> None:
        super().__init__(ask, cause)
        self.session = session


class AsyncSessionTransaction(AsyncEmitter):
    """As :class:`SessionTransaction`, in a session that is awaited."""

    def __init__(
        self, session: AsyncSession, ask: Callable[[str, Sequence[Any]], Awaitable[Rows]], cause: Event[Any] | None
    ) -> None:
        super().__init__(ask, cause)
        self.session = session


class _Errors:
    def problem(self, error: BaseException) -> Problem | None:
        """What SQLAlchemy's error means."""
        if isinstance(error, PoolTimeout):
            return Problem(None, lost=True)
        if not isinstance(error, DBAPIError):
            return None
        # asyncpg's own error stands behind the one that SQLAlchemy makes of it.
        told = [it for it in (error.orig, error.orig and error.orig.__cause__) if it is not None]
        sqlstate = _first(told, "sqlstate")
        unsaid = sqlstate is None and isinstance(error, OperationalError | InterfaceError)
        named = [getattr(it, "diag", it) for it in told]
        table, constraint = _first(named, "table_name"), _first(named, "constraint_name")
        return Problem(sqlstate, error.connection_invalidated or unsaid, table, constraint)


class SqlAlchemy(_Errors, Database[SessionTransaction, None]):
    """A blocking engine."""

    blocking = True

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def open(self) -> None:
        """Connects when a connection is first needed."""

    async def close(self) -> None:
        """Closes the connections that are not in use."""
        self._engine.dispose()

    @asynccontextmanager
    async def connection(self, wait_secs: float | None = None) -> AsyncIterator[Connection]:
        """Raises Unreachable; it is the engine that says how long is waited."""
        try:
            connection = self._engine.connect()
        except Exception as error:
            raise _unreachable(error, self.problem(error)) from None
        try:
            yield connection
        finally:
            connection.close()

    def usable(self, connection: Connection) -> bool:
        """Unless it broke."""
        return not connection.invalidated and not connection.closed

    @asynccontextmanager
    async def transaction(self, connection: Connection, first: Statement) -> AsyncIterator[Opened]:
        """Its scope is a session."""
        with connection.begin(), Session(connection, join_transaction_mode=_JOIN) as session:
            opened = Opened(session, _ask(session, *first))
            yield opened
            session.flush()
            if opened.last:
                await opened.last()

    async def ask(self, connection: Connection | Session, statement: Statement) -> list[tuple[Any, ...]]:
        """On the connection, or in the session."""
        return _ask(connection, *statement)

    def is_open(self, scope: Session) -> bool:
        """Also when it failed, or the connection broke."""
        return _is_open(scope)

    def handed(self, scope: Session, cause: Event[Any] | None) -> SessionTransaction:
        """With the session."""
        return SessionTransaction(scope, partial(_ask, scope), cause)


class AsyncSqlAlchemy(_Errors, Database[AsyncSessionTransaction, Awaitable[None]]):
    """An awaited engine."""

    blocking = False

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self) -> None:
        """Connects when a connection is first needed."""

    async def close(self) -> None:
        """Closes the connections that are not in use."""
        await self._engine.dispose()

    @asynccontextmanager
    async def connection(self, wait_secs: float | None = None) -> AsyncIterator[AsyncConnection]:
        """Raises Unreachable; it is the engine that says how long is waited."""
        try:
            connection = await self._engine.connect()
        except Exception as error:
            raise _unreachable(error, self.problem(error)) from None
        try:
            yield connection
        finally:
            await connection.close()

    def usable(self, connection: AsyncConnection) -> bool:
        """Unless it broke."""
        return not connection.invalidated and not connection.closed

    @asynccontextmanager
    async def transaction(self, connection: AsyncConnection, first: Statement) -> AsyncIterator[Opened]:
        """Its scope is a session."""
        async with connection.begin(), AsyncSession(connection, join_transaction_mode=_JOIN) as session:
            opened = Opened(session, await _ask_async(session, *first))
            yield opened
            await session.flush()
            if opened.last:
                await opened.last()

    async def ask(self, connection: AsyncConnection | AsyncSession, statement: Statement) -> list[tuple[Any, ...]]:
        """On the connection, or in the session."""
        return await _ask_async(connection, *statement)

    def is_open(self, scope: AsyncSession) -> bool:
        """Also when it failed, or the connection broke."""
        return _is_open(scope)

    def handed(self, scope: AsyncSession, cause: Event[Any] | None) -> AsyncSessionTransaction:
        """With the session."""
        return AsyncSessionTransaction(scope, partial(_ask_async, scope), cause)


def emit(session: Session | Connection, subject: str, payload: Payload, **origin: Unpack[Origin]) -> UUID:
    """Puts an event into the outbox in the session's own transaction: it is sent once that has committed.

    ``aggregate=(type, id)`` keeps it in order with others; see :class:`~sea_mq.emission.Origin` for what else may be
    said. Returns the event's id. Raises ValueError when a time has no zone, and SQLAlchemy's errors.
    """
    return event_id(_ask(session, EMIT, emission(subject, payload, **origin)))


async def emit_async(
    session: AsyncSession | AsyncConnection, subject: str, payload: Payload, **origin: Unpack[Origin]
) -> UUID:
    """As :func:`emit`, awaited."""
    return event_id(await _ask_async(session, EMIT, emission(subject, payload, **origin)))


def _ask(scope: Connection | Session, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in scope.execute(_text(statement), _named(values)).all()]


async def _ask_async(
    scope: AsyncConnection | AsyncSession, statement: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in (await scope.execute(_text(statement), _named(values))).all()]


def _is_open(session: Session | AsyncSession) -> bool:
    connection: Any = session.get_bind()
    if connection.invalidated or connection.closed:
        return True
    # Of the drivers only asyncpg does not begin by itself before the next statement.
    driver = connection.connection.driver_connection
    return not hasattr(driver, "is_in_transaction") or driver.is_closed() or bool(driver.is_in_transaction())


@lru_cache
def _text(statement: str) -> TextClause:
    return text(re.sub(r"\$(\d+)", r":p\1", statement))


def _named(values: Sequence[Any]) -> dict[str, Any]:
    return {f"p{place}": value for place, value in enumerate(values, 1)}


def _first(told: Sequence[object], name: str) -> str | None:
    found = [value for it in told if isinstance(value := getattr(it, name, None), str)]
    return found[0] if found else None


def _unreachable(error: Exception, problem: Problem | None) -> Unreachable:
    log.warning("no connection to the database", extra={"fields": about_failure(error, problem)})
    return Unreachable(_NONE_FREE)
