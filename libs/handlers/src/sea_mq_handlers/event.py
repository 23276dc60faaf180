"""What a call of the worker says."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

# W3C trace context, version 00 and what later versions may add.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,100})?")


class Event(BaseModel):
    """The body of ``POST /handle``. What a newer worker says beside it is ignored."""

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
    payload: Any

    @property
    def kind(self) -> tuple[str, int]:
        """Event type and version: what a context has a reaction for."""
        return self.event_type, self.event_version

    @property
    def attempt_key(self) -> tuple[UUID, str, int]:
        """The three by which the inbox knows this attempt."""
        return self.message_id, self.consumer, self.fence


def traceparent(header: str | None) -> str | None:
    """The header when it is one; anything else does not travel on."""
    return header if header and _TRACEPARENT.fullmatch(header) else None
