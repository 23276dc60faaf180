"""What ``outbox_emit`` is given, whoever sends."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json

from sea_mq.event import Event

Payload = Mapping[str, Any] | BaseModel
"""A JSON object: a mapping or a model. UUIDs, dates and the like become the text that pydantic writes for them."""

Aggregate = tuple[str, str | UUID]
"""Type and identity. Events of one aggregate are handled in the order in which they were sent."""

# The payload and the times go as text: no codec that somebody set on the connection gets to see them.
EMIT = """
    SELECT outbox_emit($1, CAST(CAST($2 AS text) AS jsonb), $3, $4, correlation_id => $5, causation_id => $6,
                       occurred_at => CAST(CAST($7 AS text) AS timestamptz),
                       publish_after => CAST(CAST($8 AS text) AS timestamptz), trace_id => $9, id => $10)
"""


class Details(TypedDict, total=False):
    """What may be said of an event that is sent; each may be left out."""

    aggregate: Aggregate | None
    """Without it there is no order to keep."""
    occurred_at: datetime | None
    """With a time zone. Without it: now."""
    publish_after: datetime | None
    """With a time zone. It is not sent before."""
    event_id: UUID | None
    """Without it a random one. The same one again is refused by the database."""


class Lineage(TypedDict):
    """What goes on from one event to those that it causes."""

    correlation_id: UUID
    causation_id: UUID
    traceparent: str | None


class Origin(Details, total=False):
    """The same of an event that is sent where no other one is handled."""

    correlation_id: UUID | None
    """What it belongs to. Without it: the event's own id."""
    causation_id: UUID | None
    """The message that caused it."""
    traceparent: str | None
    """W3C trace context."""


def emission(
    subject: str,
    payload: Payload,
    *,
    aggregate: Aggregate | None = None,
    correlation_id: UUID | None = None,
    causation_id: UUID | None = None,
    occurred_at: datetime | None = None,
    publish_after: datetime | None = None,
    traceparent: str | None = None,
    event_id: UUID | None = None,
) -> tuple[Any, ...]:
    """The ten values of :data:`EMIT`. Raises ValueError when a time has no zone."""
    of_type, of_id = aggregate or (None, None)
    return (
        subject,
        to_json(payload).decode(),
        of_type,
        None if of_id is None else str(of_id),
        correlation_id,
        causation_id,
        _moment("occurred_at", occurred_at),
        _moment("publish_after", publish_after),
        traceparent,
        event_id,
    )


def caused(cause: Event[Any] | None) -> Lineage:
    """What goes on from the event that is handled. Raises ValueError when there is none."""
    if cause is None:
        raise ValueError("say which event is the cause: tx.emit(…, cause=event)")
    return {
        "correlation_id": cause.correlation_id,
        "causation_id": cause.message_id,
        "traceparent": cause.traceparent,
    }


def event_id(rows: Sequence[Sequence[Any]]) -> UUID:
    """What :data:`EMIT` returned."""
    found = rows[0][0]
    return found if isinstance(found, UUID) else UUID(str(found))


def _moment(name: str, at: datetime | None) -> str | None:
    if at is None:
        return None
    if at.utcoffset() is None:
        raise ValueError(f"{name} needs a time zone, such as datetime.now(timezone.utc)")
    return at.isoformat()
