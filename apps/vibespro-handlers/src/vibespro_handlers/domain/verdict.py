"""The border: SEA's payloads in VibesPro's words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

LONGEST_REASON = 2000
_MOST = 1000


def printable(text: str) -> str:
    """The text on one line: what cannot be shown, or kept by a database, becomes a space."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


Words = Annotated[str, AfterValidator(printable)]
Outcome = Literal["approved", "review", "rejected"]


@dataclass(frozen=True)
class Verdict:
    """What governance says about a vibe at one of its revisions."""

    vibe_id: UUID
    vibe_revision: int
    outcome: Outcome
    reason: str | None
    case_id: UUID
    decided_at: datetime


class _About(BaseModel):
    """What both events say. What else they say is ignored."""

    model_config = ConfigDict(frozen=True)

    case_id: UUID
    vibe_id: UUID
    vibe_revision: int = Field(strict=True, ge=1, le=2**63 - 1)

    def _verdict(self, outcome: Outcome, reasons: list[str], at: datetime) -> Verdict:
        return Verdict(self.vibe_id, self.vibe_revision, outcome, _in_one(reasons), self.case_id, at)


class DecisionRecorded(_About):
    """The payload of ``governance_decision_recorded``, version 1."""

    outcome: Outcome
    reasons: list[Words] = Field(max_length=_MOST)
    decided_at: AwareDatetime

    @property
    def verdict(self) -> Verdict:
        """The decision."""
        return self._verdict(self.outcome, self.reasons, self.decided_at)


class _Violation(BaseModel):
    message: Words


class ViolationDetected(_About):
    """The payload of ``policy_violation_detected``, version 1: a rejection."""

    violations: list[_Violation] = Field(max_length=_MOST)
    detected_at: AwareDatetime

    @property
    def verdict(self) -> Verdict:
        """The rejection."""
        return self._verdict("rejected", [violation.message for violation in self.violations], self.detected_at)


def _in_one(reasons: list[str]) -> str | None:
    return "; ".join(reasons)[:LONGEST_REASON] or None
