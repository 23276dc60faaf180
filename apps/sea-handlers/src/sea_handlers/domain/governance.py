"""From sea-api's judgement to SEA's decision, and to the event that tells of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from sea_handlers.domain.announcement import Announcement, rfc3339
from sea_handlers.domain.vibe import VibeScored

Outcome = Literal["approved", "review", "rejected"]

# As many as the events' contracts allow.
MOST_POLICIES = 1000
MOST_REASONS = 100


class PolicyResult(BaseModel):
    """What one policy said."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern="^[a-z0-9_]{1,64}$")
    version: int = Field(ge=1)
    passed: bool
    message: str | None = None

    @property
    def reason(self) -> str:
        """Why it failed."""
        return self.message or f"policy {self.name} version {self.version} is violated"


class Judgement(BaseModel):
    """What all policies together said about a vibe."""

    model_config = ConfigDict(frozen=True)

    outcome: Outcome
    policies: tuple[PolicyResult, ...] = Field(max_length=MOST_POLICIES)
    evaluated_at: AwareDatetime

    @model_validator(mode="after")
    def _says_why(self) -> "Judgement":
        if self.outcome != "approved" and not self.violated:
            raise ValueError("no policy failed, and yet it is not approved")
        return self

    @property
    def violated(self) -> tuple[PolicyResult, ...]:
        """The policies that failed."""
        return tuple(policy for policy in self.policies if not policy.passed)


@dataclass(frozen=True)
class Judged:
    """A scored vibe, and what was said about it."""

    vibe: VibeScored
    judgement: Judgement


@dataclass(frozen=True)
class Decision:
    """What SEA decided about one revision of a vibe, in a case."""

    decision_id: UUID
    case_id: UUID
    judged: Judged

    @property
    def outcome(self) -> Outcome:
        """What it came to."""
        return self.judged.judgement.outcome

    @property
    def decided_at(self) -> datetime:
        """When the policies were asked."""
        return self.judged.judgement.evaluated_at

    @property
    def reasons(self) -> list[str]:
        """Why not, if not; the first of very many."""
        return [policy.reason for policy in self.judged.judgement.violated][:MOST_REASONS]

    @property
    def policies(self) -> list[dict[str, Any]]:
        """The versions that it rests on."""
        return [{"name": policy.name, "version": policy.version} for policy in self.judged.judgement.policies]


def announce(decision: Decision) -> Announcement:
    """A rejection is a violation that others must hear of; anything else is recorded."""
    if decision.outcome == "rejected":
        return _of_vibe(decision, "policy_violation_detected.v1", _violation(decision))
    return _of_vibe(decision, "governance_decision_recorded.v1", _record(decision))


def _record(decision: Decision) -> dict[str, Any]:
    return {
        "outcome": decision.outcome,
        "reasons": decision.reasons,
        "policies": decision.policies,
        "decided_at": rfc3339(decision.decided_at),
    }


def _violation(decision: Decision) -> dict[str, Any]:
    violated = decision.judged.judgement.violated
    return {
        "violations": [{"policy": it.name, "version": it.version, "message": it.reason} for it in violated],
        "detected_at": rfc3339(decision.decided_at),
    }


def _of_vibe(decision: Decision, event: str, payload: dict[str, Any]) -> Announcement:
    vibe = decision.judged.vibe
    about = {
        "decision_id": str(decision.decision_id),
        "case_id": str(decision.case_id),
        "vibe_id": str(vibe.vibe_id),
        "vibe_revision": vibe.revision,
    }
    return Announcement(event, "vibe", str(vibe.vibe_id), {**about, **payload})
