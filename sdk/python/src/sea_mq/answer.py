"""What the worker is told, and what follows from each failure. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

# What the inbox refuses a mark with, in its own words for an attempt that may not run.
_WORDS = {"MQ101": "outdated", "MQ102": "unknown", "MQ103": "done"}

_LONGEST_WAIT_SECS = 900
_LONGEST_ASKED_WAIT_SECS = 86_400
_REASON_BYTES = 800


class Poison(Exception):
    """Raised by a handler: this event can never be handled, and becomes a dead letter.

    The text is kept beside the dead letter and in logs: let it hold nothing of the payload.
    """


class Retry(Exception):
    """Raised by a handler: not now. Everything is rolled back, and the event comes again.

    The text is kept as the event's last error: let it hold nothing of the payload.
    """

    def __init__(self, why: str, *, after: float | None = None) -> None:
        """``after`` is in seconds, at most a day. Without it the wait doubles with each attempt, from 1 s to 15 min."""
        super().__init__(why)
        self.after = after


@dataclass(frozen=True)
class Answer:
    """What the worker is told about one event: an HTTP status, words, and whole seconds to wait."""

    status: int
    why: str
    retry_after: int | None = None


@dataclass(frozen=True)
class Problem:
    """A database's error without its words: they quote rows.

    ``lost`` says that the connection broke, or that none could be had.
    """

    sqlstate: str | None
    lost: bool = False
    table: str | None = None
    constraint: str | None = None


DONE = Answer(200, "processed")
NOTHING_TO_DO = Answer(200, "nothing to do")
DONE_BEFORE = Answer(409, "processed already")


def not_handled(event_type: str, event_version: int) -> Answer:
    """404, never 422: a consumer deployed before its handler loses nothing."""
    return Answer(404, f"no handler for {event_type} version {event_version}; deploy one that has it")


def poison(why: str) -> Answer:
    """422: dead-lettered at once."""
    return Answer(422, _cut(why))


def busy(why: str, attempt: int, after: float | None = None) -> Answer:
    """503 that slows the worker down.

    Unless it is said, the wait doubles with each attempt, from 1 s to 15 min: the worker waits as it is told instead
    of its own backoff, so a constant one would use all attempts up during an outage of minutes. What is said is at
    most a day.
    """
    if after is None:
        return Answer(503, _cut(why), retry_after=min(2 ** min(attempt - 1, 10), _LONGEST_WAIT_SECS))
    # In this order what is no number becomes a day, too.
    return Answer(503, _cut(why), retry_after=math.ceil(max(0, min(_LONGEST_ASKED_WAIT_SECS, after))))


def verdict(word: str) -> Answer | None:
    """What follows from the word of ``inbox_begin``; nothing when the attempt may run.

    503 for somebody else's attempt, never 409: that would settle it.
    """
    if word == "run":
        return None
    return DONE_BEFORE if word == "done" else Answer(503, f"this attempt is {word}")


def unmarked(problem: Problem) -> Answer | None:
    """What follows when the inbox refuses the event's own mark, if that is what it does.

    Of no other statement: a handler's may say the same of another event.
    """
    word = _WORDS.get(problem.sqlstate or "")
    return verdict(word) if word else None


def refused(problem: Problem, attempt: int) -> Answer:
    """What a database error means, after everything was rolled back."""
    state = problem.sqlstate
    if problem.lost or (state or "").startswith(("08", "53", "57P")):
        return busy("the database cannot be reached; see the handler's log", attempt)
    if state in ("40001", "40P01", "55P03", "57014"):
        return Answer(503, f"the database gave way to others (SQLSTATE {state})")
    return Answer(500, f"the database refused (SQLSTATE {state or 'none'}); see the handler's log")


def says(error: ValidationError) -> str:
    """Which fields are wrong and why, without a single value of the payload."""
    return _cut("; ".join(_problems(error)))


def _cut(why: str) -> str:
    """Of a length that everybody keeps; and UTF-8, which a surrogate alone is not."""
    text = why.encode(errors="replace")
    return text.decode() if len(text) <= _REASON_BYTES else text[:_REASON_BYTES].decode(errors="ignore") + "…"


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(step) for step in problem["loc"]) or "the payload"
        # A parser's own words quote what it could not read.
        quotes = "error" in problem.get("ctx", {})
        yield f"{where}: {problem['type'].replace('_', ' ') if quotes else problem['msg']}"
