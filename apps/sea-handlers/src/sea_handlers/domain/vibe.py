"""The border: VibesPro's payloads in SEA's words."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def printable(text: str) -> str:
    """The text on one line: what cannot be shown, or kept by a database, becomes a space."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


Title = Annotated[str, Field(max_length=500), AfterValidator(printable)]
Owner = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(printable)]
# As large as a database's bigint.
Revision = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]


class VibeSeen(BaseModel):
    """A vibe as SEA sees it at one of its revisions: the payload of ``vibe_created`` and ``vibe_updated``, version 1.

    What else VibesPro says is ignored.
    """

    model_config = ConfigDict(frozen=True)

    vibe_id: UUID
    owner: Owner = Field(validation_alias="user_id")
    title: Title
    revision: Revision


class VibeScored(VibeSeen):
    """A vibe that was given a score, from 0 to 100: the payload of ``vibe_scored``, version 1."""

    score: int = Field(strict=True, ge=0, le=100)


def facts(vibe: VibeScored) -> dict[str, Any]:
    """What the policies are asked about."""
    return {
        "vibe_id": str(vibe.vibe_id),
        "owner": vibe.owner,
        "title": vibe.title,
        "revision": vibe.revision,
        "score": vibe.score,
    }
