"""The border: SEA's payloads in VibesPro's words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
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


class _Recorded(_About):
    outcome: Outcome
    reasons: list[Words] = Field(max_length=_MOST)
    decided_at: AwareDatetime


class _Violation(BaseModel):
    message: Words


class _Detected(_About):
    violations: list[_Violation] = Field(max_length=_MOST)
    detected_at: AwareDatetime


def translate_recorded(payload: Any) -> Verdict:
    """The payload of ``governance_decision_recorded``, version 1.

    Raises:
        pydantic.ValidationError: a field is missing or makes no sense.
    """
    it = _Recorded.model_validate(payload)
    return Verdict(it.vibe_id, it.vibe_revision, it.outcome, _in_one(it.reasons), it.case_id, it.decided_at)


def translate_violation(payload: Any) -> Verdict:
    """The payload of ``policy_violation_detected``, version 1: a rejection. Raises as the other does."""
    it = _Detected.model_validate(payload)
    reason = _in_one([violation.message for violation in it.violations])
    return Verdict(it.vibe_id, it.vibe_revision, "rejected", reason, it.case_id, it.detected_at)


def _in_one(reasons: list[str]) -> str | None:
    return "; ".join(reasons)[:LONGEST_REASON] or None
