"""The worker's side of an inbox: records events and starts attempts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow, dict_row
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

_STREAM_MADE = datetime(2026, 1, 1, tzinfo=timezone.utc)

Call = dict[str, Any]
"""The body of the worker's call, as JSON has it."""


@dataclass(frozen=True)
class Emitted:
    """An event that a handler has sent."""

    id: UUID
    subject: str
    payload: Any
    aggregate: tuple[str, str] | None
    correlation_id: UUID
    causation_id: UUID | None
    traceparent: str | None
    occurred_at: datetime
    publish_after: datetime | None


class Inbox:
    """Of a context's database, as its worker or as a superuser."""

    def __init__(self, url: str) -> None:
        self.connection: psycopg.Connection[DictRow] = psycopg.connect(url, autocommit=True, row_factory=dict_row)

    def close(self) -> None:
        """Drops the connection."""
        self.connection.close()

    def attempt(
        self, consumer: str, subject: str, payload: Mapping[str, Any] | BaseModel, aggregate: tuple[str, str] | None
    ) -> Call:
        """Records a new event and starts its first attempt: the call that the worker would make."""
        source, _, event_type, version = subject.split(".")
        call = {
            "message_id": str(uuid4()),
            "subject": subject,
            "event_type": event_type,
            "event_version": int(version[1:]),
            "occurred_at": "2026-05-04T09:00:27.445Z",
            "correlation_id": str(uuid4()),
            "causation_id": None,
            "aggregate_type": aggregate[0] if aggregate else None,
            "aggregate_id": aggregate[1] if aggregate else None,
            "consumer": consumer,
            "payload": to_jsonable_python(payload),
        }
        origin = {"stream": f"{source.upper()}_EVENTS", "made": _STREAM_MADE}
        return {**call, **self._one(_START, {**call, **origin})}

    def attempt_again(self, call: Call) -> Call:
        """Another attempt at the same event: what was started before is outdated."""
        return {**call, **self._one(_START_AGAIN, call)}

    def row(self, call: Call) -> dict[str, Any]:
        """State, attempts and fence of a call."""
        return self._one(_ROW, call)

    def emitted(self, call: Call) -> list[Emitted]:
        """The events that a call has caused, in order."""
        rows = self.connection.execute(
            "SELECT * FROM outbox_events WHERE causation_id = %(message_id)s ORDER BY seq", call
        )
        return [_emitted(row) for row in rows]

    def _one(self, statement: str, values: Mapping[str, Any]) -> dict[str, Any]:
        row = self.connection.execute(statement.encode(), values).fetchone()
        if row is None:
            raise LookupError(f"there is no message {values['message_id']} for {values['consumer']}")
        return row


def _emitted(row: DictRow) -> Emitted:
    of_type, of_id = row["aggregate_type"], row["aggregate_id"]
    names = ("id", "subject", "payload", "correlation_id", "causation_id", "occurred_at", "publish_after")
    kept = {name: row[name] for name in names}
    return Emitted(**kept, aggregate=None if of_id is None else (of_type, of_id), traceparent=row["trace_id"])


_ROW = "SELECT state, attempts, fence FROM inbox_messages WHERE message_id = %(message_id)s AND consumer = %(consumer)s"

_START = """
    INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, aggregate_type, aggregate_id,
                                attempts, fence, stream, stream_created_at, stream_seq, headers, body, state, lane)
    VALUES (%(message_id)s, %(consumer)s, %(subject)s, %(event_type)s, %(event_version)s, %(aggregate_type)s,
            %(aggregate_id)s, 1, 1, %(stream)s, %(made)s, 1, '[]', '{}', 'running', 0)
    RETURNING attempts AS attempt, fence
"""

_START_AGAIN = """
    UPDATE inbox_messages
    SET state = 'running', attempts = attempts + 1, fence = fence + 1, processed_at = NULL, headers = '[]', body = '{}'
    WHERE message_id = %(message_id)s AND consumer = %(consumer)s
    RETURNING attempts AS attempt, fence
"""
