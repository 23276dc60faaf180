"""An event that SEA is to tell the world. How it gets there is an adapter's matter."""

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True)
class Announcement:
    """Name and version as in the subject; events of one aggregate stay in order."""

    event: str
    aggregate_type: str
    aggregate_id: str
    payload: dict[str, Any]


def rfc3339(at: datetime) -> str:
    """A moment as events say it: UTC, microseconds."""
    return at.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
