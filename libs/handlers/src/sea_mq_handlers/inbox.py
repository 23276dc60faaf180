"""Joining the inbox: effects, emitted events and the inbox's mark in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from sea_mq_handlers.event import Event

# A statement that waits longer, for instance for a row that somebody keeps locked, is given up before the worker gives
# the call up (30 s): otherwise one aggregate's repeated calls would take every connection of the pool.
STATEMENT_TIMEOUT_MS = 20_000


class NotCurrent(Exception):
    """The inbox does not let this attempt run: ``done``, ``outdated`` or ``unknown``."""

    def __init__(self, verdict: str) -> None:
        super().__init__(verdict)
        self.verdict = verdict


@dataclass(frozen=True)
class Transaction:
    """An open transaction of the context's database, on behalf of one event."""

    connection: psycopg.Connection
    event: Event
    traceparent: str | None = None

    def emit(self, subject: str, payload: dict[str, Any], aggregate_type: str, aggregate_id: str) -> UUID:
        """Puts an event into the outbox, caused by this one: its correlation goes on. Returns the new event's id."""
        row = self.connection.execute(
            "SELECT outbox_emit(%s, %s, %s, %s, correlation_id => %s, causation_id => %s, trace_id => %s)",
            (
                subject,
                Jsonb(payload),
                aggregate_type,
                aggregate_id,
                self.event.correlation_id,
                self.event.message_id,
                self.traceparent,
            ),
        ).fetchone()
        return row[0]


def check(connection: psycopg.Connection, event: Event) -> None:
    """Looks whether this attempt may run, without a transaction: spares what is asked in vain.

    Raises:
        NotCurrent: it may not.
    """
    _must_run(connection.execute("SELECT inbox_begin(%s, %s, %s)", event.attempt_key).fetchone()[0])


@contextmanager
def joined(connection: psycopg.Connection, event: Event, traceparent: str | None) -> Iterator[Transaction]:
    """A transaction that commits only as the current attempt.

    Raises:
        NotCurrent: nothing was done.
        psycopg.Error: everything was rolled back; ``MQ101`` to ``MQ103`` when another attempt was faster.
    """
    with connection.transaction():
        begin = "SELECT set_config('statement_timeout', %s, true), inbox_begin(%s, %s, %s)"
        row = connection.execute(begin, (str(STATEMENT_TIMEOUT_MS), *event.attempt_key)).fetchone()
        _must_run(row[1])
        yield Transaction(connection, event, traceparent)
        # Last, since it locks the inbox row until the commit.
        connection.execute("SELECT inbox_complete(%s, %s, %s)", event.attempt_key)


def _must_run(verdict: str) -> None:
    if verdict != "run":
        raise NotCurrent(verdict)
