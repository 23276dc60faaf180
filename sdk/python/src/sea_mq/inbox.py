"""The inbox's functions, asked for one attempt and for many."""

from collections.abc import Sequence
from typing import Any

from sea_mq.database import Database, Statement
from sea_mq.event import Event

# A statement that waits longer, for instance for a row that somebody keeps locked, is given up before the worker gives
# the call up (30 s): otherwise one aggregate's repeated calls would take every connection of the pool.
STATEMENT_TIMEOUT_MS = 20_000

# Gone with the transaction: so it is known at the end whether it is still the one that was begun.
_MARK = "sea_mq.transaction"
_SET = f"set_config('statement_timeout', '{STATEMENT_TIMEOUT_MS}', true), set_config('{_MARK}', 'open', true)"
_STILL_OPEN = f"WHERE current_setting('{_MARK}', true) = 'open'"

_BEGIN = f"SELECT inbox_begin($1, $2, $3), {_SET}"
# Set once, not for each row.
_BEGIN_MANY = f"""
    SELECT inbox_begin(m, c, f), (SELECT ARRAY[{_SET}])
    FROM unnest(CAST($1 AS uuid[]), CAST($2 AS text[]), CAST($3 AS bigint[])) WITH ORDINALITY AS t (m, c, f, n)
    ORDER BY n
"""
_COMPLETE = f"SELECT inbox_complete($1, $2, $3) {_STILL_OPEN}"
# In one order for all, so that two batches with the same events do not wait for each other.
_COMPLETE_MANY = f"""
    SELECT inbox_complete(m, c, f)
    FROM (SELECT * FROM unnest(CAST($1 AS uuid[]), CAST($2 AS text[]), CAST($3 AS bigint[])) AS u (m, c, f)
          ORDER BY m, c) AS t
    {_STILL_OPEN}
"""
_CALLABLE = "SELECT inbox_begin(gen_random_uuid(), '', 0)"
_MISSING = """
    SELECT need FROM unnest(CAST($1 AS text[])) AS need
    CROSS JOIN LATERAL (SELECT split_part(need, '.', 1) AS of_table, split_part(need, '.', 2) AS of_column) AS part
    WHERE to_regclass(of_table) IS NULL
       OR of_column <> '' AND NOT EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = to_regclass(of_table) AND attname = of_column AND NOT attisdropped)
    ORDER BY need
"""


def begin(events: Sequence[Event[Any]]) -> Statement:
    """The inbox's word on each attempt: ``run``, ``done``, ``outdated`` or ``unknown`` first in its row."""
    return _one_or_many(_BEGIN, _BEGIN_MANY, events)


def complete(events: Sequence[Event[Any]]) -> Statement:
    """Marks them processed; last, since it locks the inbox rows until the commit. A database error when one may not.

    No row when the transaction is not the one any more that was begun.
    """
    return _one_or_many(_COMPLETE, _COMPLETE_MANY, events)


def _one_or_many(one: str, many: str, events: Sequence[Event[Any]]) -> Statement:
    keys = [(event.message_id, event.consumer, event.fence) for event in events]
    return (one, keys[0]) if len(keys) == 1 else (many, [list(column) for column in zip(*keys, strict=True)])


async def missing(database: Database[Any, Any], connection: Any, needs: Sequence[str]) -> list[str]:
    """Which of the tables, or columns as ``table.column``, are not there.

    A database error when sea-mq's functions are not.
    """
    await database.ask(connection, (_CALLABLE, []))
    return [row[0] for row in await database.ask(connection, (_MISSING, [list(needs)]))]
