"""What a call of the worker says, and what of it a handler is given."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

P = TypeVar("P")

# W3C trace context, version 00 and what later versions may add.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,100})?")


def traceparent(text: str | None) -> str | None:
    """The text when it is one; anything else does not travel on."""
    return text if text and _TRACEPARENT.fullmatch(text) else None


class Call(BaseModel):
    """One event as the worker calls with it. What a newer worker says beside it is ignored."""

    model_config = ConfigDict(frozen=True)

    message_id: UUID
    subject: str
    event_type: str
    event_version: int
    occurred_at: datetime | None = None
    correlation_id: UUID
    causation_id: UUID | None = None
    aggregate_type: str | None = None
    aggregate_id: str | None = None
    consumer: str
    attempt: int = Field(ge=1)
    fence: int = Field(ge=0)
    # Of a batch; a single call has it as a header.
    traceparent: str | None = None
    payload: Any

    @property
    def kind(self) -> tuple[str, int]:
        """Event type and version: what there is a handler for."""
        return self.event_type, self.event_version

    @property
    def attempt_key(self) -> tuple[UUID, str, int]:
        """The three by which the inbox knows this attempt."""
        return self.message_id, self.consumer, self.fence

    def event(self, payload: P) -> "Event[P]":
        """It with its validated payload, for a handler."""
        return Event(
            payload=payload,
            message_id=self.message_id,
            subject=self.subject,
            event_type=self.event_type,
            event_version=self.event_version,
            occurred_at=self.occurred_at,
            correlation_id=self.correlation_id,
            causation_id=self.causation_id,
            aggregate_type=self.aggregate_type,
            aggregate_id=self.aggregate_id,
            consumer=self.consumer,
            attempt=self.attempt,
            fence=self.fence,
            traceparent=traceparent(self.traceparent),
        )


@dataclass(frozen=True)
class Event(Generic[P]):
    """An event on its way to its effects.

    ``message_id`` is its identity: the same in every attempt. ``attempt`` counts from 1. ``occurred_at`` is aware.
    """

    payload: P
    message_id: UUID
    subject: str
    event_type: str
    event_version: int
    occurred_at: datetime | None
    correlation_id: UUID
    causation_id: UUID | None
    aggregate_type: str | None
    aggregate_id: str | None
    consumer: str
    attempt: int
    fence: int
    traceparent: str | None
