"""The case in which a vibe is reviewed, and what a decision does to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from sea_handlers.domain.announcement import Announcement, rfc3339
from sea_handlers.domain.governance import Outcome

Kind = Literal["review", "follow_up"]

# Who completes a task when no person does.
GOVERNANCE = "governance"
LONGEST_TITLE = 200

_REVIEWS = UUID("3f3a3f0e-6c6e-4a1c-9b52-5a9f3f1f2d60")


@dataclass(frozen=True)
class Task:
    """Something to be done."""

    task_id: UUID
    kind: Kind
    title: str


@dataclass(frozen=True)
class OpenedCase:
    """A case about a vibe, as it is opened."""

    case_id: UUID
    vibe_id: UUID
    title: str
    tasks: tuple[Task, ...]
    opened_at: datetime


@dataclass(frozen=True)
class StandingCase:
    """The case in which a vibe was reviewed last, with the tasks that are still to be done."""

    case_id: UUID
    is_open: bool
    open_tasks: tuple[Task, ...]

    def open_of(self, kind: Kind) -> tuple[Task, ...]:
        """The open tasks of a kind."""
        return tuple(task for task in self.open_tasks if task.kind == kind)


@dataclass(frozen=True)
class Steps:
    """What a decision asks for in an open case, in this order."""

    add: Kind | None = None
    complete: tuple[Task, ...] = ()


def first_case_id(vibe_id: UUID) -> UUID:
    """The identity of a vibe's first review: whichever event comes first opens it, and no other does again."""
    return uuid5(_REVIEWS, str(vibe_id))


def needs_new_case(outcome: Outcome, case: StandingCase | None) -> bool:
    """A closed case stays closed: what is left to do later is done in a new one."""
    return case is None or (not case.is_open and outcome != "approved")


def steps(outcome: Outcome, case: StandingCase) -> Steps:
    """What follows from an outcome.

    ========  ===================================================================
    approved  the open reviews are done; when nothing else is left the case closes
    review    a person has to look: a review stays open, or is added
    rejected  the open reviews are done, and somebody has to follow up
    ========  ===================================================================
    """
    reviews = case.open_of("review")
    if outcome == "approved":
        return Steps(complete=reviews)
    if outcome == "review":
        return Steps(add=None if reviews else "review")
    return Steps(add=None if case.open_of("follow_up") else "follow_up", complete=reviews)


def titled(kind: Kind, vibe_title: str) -> str:
    """The title of a task, or with ``review`` also of the case; one of at most 200 characters."""
    about = vibe_title or "an untitled vibe"
    words = {"review": f"Review: {about}", "follow_up": f"Follow up on a policy violation: {about}"}
    return words[kind][:LONGEST_TITLE].strip()


def case_created(case: OpenedCase) -> Announcement:
    """Tells that a case was opened, and with which tasks."""
    tasks = [{"task_id": str(task.task_id), "kind": task.kind, "title": task.title} for task in case.tasks]
    payload = {
        "case_id": str(case.case_id),
        "title": case.title,
        "vibe_id": str(case.vibe_id),
        "tasks": tasks,
        "opened_at": rfc3339(case.opened_at),
    }
    return Announcement("case_created.v1", "case", str(case.case_id), payload)


def task_completed(case_id: UUID, task: Task, completed_at: datetime, open_tasks: int) -> Announcement:
    """Tells that governance itself settled a task."""
    payload = {
        "case_id": str(case_id),
        "task_id": str(task.task_id),
        "kind": task.kind,
        "completed_by": GOVERNANCE,
        "completed_at": rfc3339(completed_at),
        "open_tasks": open_tasks,
    }
    return Announcement("task_completed.v1", "case", str(case_id), payload)
