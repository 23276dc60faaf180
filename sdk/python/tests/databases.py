"""Every way to a database, as the rules need it: made from a URL, and able to run a statement of a handler."""

from dataclasses import dataclass
from typing import Any
from unittest import TestSuite

import sources  # noqa: F401 (first: it makes the rest importable)
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

import sea_mq.asyncpg
import sea_mq.psycopg
from sea_mq.asyncpg import Asyncpg
from sea_mq.database import Database
from sea_mq.psycopg import AsyncPsycopg, Psycopg
from sea_mq.sqlalchemy import AsyncSqlAlchemy, SqlAlchemy

PLAIN = {"open": False, "min_size": 1, "max_size": 4, "reconnect_timeout": 1}
ENGINE = {"pool_size": 4, "max_overflow": 0, "pool_timeout": 5, "isolation_level": "READ COMMITTED"}


@dataclass(frozen=True)
class Way:
    """``make`` takes a URL and how many seconds to wait for a connection; ``execute`` takes a handler's transaction,
    and a statement with :name.
    """

    name: str
    make: Any
    execute: Any

    def __call__(self, url: str, wait_secs: float = 5) -> Database:
        return self.make(url, wait_secs)


async def _psycopg(tx: Any, statement: str, **values: Any) -> None:
    tx.connection.execute(_percent(statement, values), values)


async def _psycopg_async(tx: Any, statement: str, **values: Any) -> None:
    await tx.connection.execute(_percent(statement, values), values)


async def _asyncpg(tx: Any, statement: str, **values: Any) -> None:
    for place, name in enumerate(values, 1):
        statement = statement.replace(f":{name}", f"${place}")
    await tx.connection.execute(statement, *values.values())


async def _session(tx: Any, statement: str, **values: Any) -> None:
    tx.session.execute(text(statement), values)


async def _session_async(tx: Any, statement: str, **values: Any) -> None:
    await tx.session.execute(text(statement), values)


def _percent(statement: str, values: dict[str, Any]) -> str:
    for name in values:
        statement = statement.replace(f":{name}", f"%({name})s")
    return statement


def _driver(url: str, name: str) -> str:
    return url.replace("postgres://", f"postgresql+{name}://").replace("postgresql://", f"postgresql+{name}://")


WAYS = [
    Way("Psycopg", lambda url, wait: Psycopg(sea_mq.psycopg.connection_pool(url), wait_secs=wait), _psycopg),
    # As an application may have it: without autocommit, rows as dicts.
    Way(
        "PsycopgPlain",
        lambda url, wait: Psycopg(ConnectionPool(url, kwargs={"row_factory": dict_row}, **PLAIN), wait_secs=wait),
        _psycopg,
    ),
    Way(
        "AsyncPsycopg",
        lambda url, wait: AsyncPsycopg(sea_mq.psycopg.async_connection_pool(url), wait_secs=wait),
        _psycopg_async,
    ),
    Way(
        "AsyncPsycopgPlain",
        lambda url, wait: AsyncPsycopg(
            AsyncConnectionPool(url, kwargs={"row_factory": dict_row}, **PLAIN), wait_secs=wait
        ),
        _psycopg_async,
    ),
    Way("Asyncpg", lambda url, wait: Asyncpg(sea_mq.asyncpg.connection_pool(url), wait_secs=wait), _asyncpg),
    Way("SqlAlchemy", lambda url, wait: SqlAlchemy(create_engine(_driver(url, "psycopg"), **ENGINE)), _session),
    Way(
        "AsyncSqlAlchemyPsycopg",
        lambda url, wait: AsyncSqlAlchemy(create_async_engine(_driver(url, "psycopg"), **ENGINE)),
        _session_async,
    ),
    Way(
        "AsyncSqlAlchemyAsyncpg",
        lambda url, wait: AsyncSqlAlchemy(create_async_engine(_driver(url, "asyncpg"), **ENGINE)),
        _session_async,
    ),
]


def for_each_way(loader: Any, rules: list[type], module: str) -> TestSuite:
    """The suite of the rules, once for each way to a database."""
    suite = TestSuite()
    for way in WAYS:
        for rule in rules:
            case = type(f"{rule.__name__}Over{way.name}", (rule,), {"way": way, "__module__": module})
            suite.addTests(loader.loadTestsFromTestCase(case))
    return suite
