"""A decision is shown on the vibe."""

from enum import Enum
from typing import Protocol

from vibespro_handlers.domain.verdict import Verdict


class Shown(Enum):
    """What became of a verdict."""

    KEPT = "kept"
    OLDER = "older"
    NO_SUCH_VIBE = "no such vibe"


class Vibes(Protocol):
    """VibesPro's vibes."""

    def show(self, verdict: Verdict) -> Shown:
        """Writes the verdict on its vibe, unless one about a later revision is there."""


class UnknownVibe(Exception):
    """There is no such vibe.

    Waiting cannot mend that: SEA decides about vibes of which this very database told it, after they were committed.
    Something else is wrong, such as a database that was set back, and a person has to see it.
    """


def show(vibes: Vibes, verdict: Verdict) -> None:
    """Shows the verdict. One that comes after a later one changes nothing, and is done.

    Raises:
        UnknownVibe: there is none to show it on.
    """
    if vibes.show(verdict) is Shown.NO_SUCH_VIBE:
        raise UnknownVibe
