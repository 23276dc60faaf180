"""What the use cases need from outside. All of :class:`Books` is one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sea_handlers.domain.announcement import Announcement
from sea_handlers.domain.case import OpenedCase, StandingCase, Task
from sea_handlers.domain.governance import Decision, Judgement
from sea_handlers.domain.vibe import VibeScored, VibeSeen


class Vibes(Protocol):
    """SEA's own view of VibesPro's vibes."""

    def see(self, vibe: VibeSeen) -> None:
        """Keeps what is newer than what is kept, by revision; locks the vibe's row either way."""

    def keep_score(self, vibe: VibeScored) -> None:
        """Keeps the score as the last one."""


class Cases(Protocol):
    """Cases and their tasks."""

    def standing(self, vibe_id: UUID) -> StandingCase | None:
        """The case of the vibe's last decision, else its first one, locked until the end of the transaction."""

    def open(self, case: OpenedCase) -> bool:
        """Opens it; false, and nothing done, when it is there already."""

    def add(self, case_id: UUID, task: Task) -> None:
        """Adds a task to an open, locked case."""

    def complete(self, case_id: UUID, task: Task, at: datetime) -> int:
        """Completes an open task of a locked case; how many are left. With none the case is closed."""


class Decisions(Protocol):
    """Governance decisions, kept for good."""

    def newer_than(self, vibe_id: UUID, revision: int) -> bool:
        """Whether a later revision of the vibe was decided already."""

    def record(self, decision: Decision) -> None:
        """Keeps it."""


@dataclass(frozen=True)
class Books:
    """What one event may change, and how it tells the world."""

    vibes: Vibes
    cases: Cases
    decisions: Decisions
    announce: Callable[[Announcement], Any]


@dataclass(frozen=True)
class World:
    """Identities and time."""

    new_id: Callable[[], UUID]
    now: Callable[[], datetime]


Judge = Callable[[dict[str, Any]], Judgement]
"""Asks for a judgement about facts; raises what says that there is none at the moment."""
