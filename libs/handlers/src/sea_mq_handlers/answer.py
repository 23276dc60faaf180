"""What the worker is told, and what follows from each failure. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

# The inbox's own refusals: the attempt was replaced, the message is unknown, it is processed.
OUTDATED, UNKNOWN, PROCESSED = "MQ101", "MQ102", "MQ103"

_LONGEST_WAIT_SECS = 900
_REASON_BYTES = 800


class Poison(Exception):
    """This event can never be handled: it becomes a dead letter. The text holds nothing of its payload."""


class Unavailable(Exception):
    """Not now: it comes again, later with each attempt. The text is kept as the event's last error."""


@dataclass(frozen=True)
class Answer:
    """The HTTP answer of ``POST /handle``."""

    status: int
    why: str
    retry_after_secs: int | None = None


DONE = Answer(200, "processed")
NOTHING_TO_DO = Answer(200, "nothing to do")
DONE_BEFORE = Answer(409, "processed already")


def not_handled(event_type: str, event_version: int) -> Answer:
    """404, never 422: a consumer deployed before its handler loses nothing."""
    return Answer(404, f"no reaction to {event_type} version {event_version}; deploy one that has it")


def poison(why: str) -> Answer:
    """422: dead-lettered at once."""
    return Answer(422, why)


def busy(why: str, attempt: int) -> Answer:
    """503 that slows the worker down.

    The wait doubles with each attempt, from 1 s to 15 min: the worker waits as it is told instead of its own backoff,
    so a constant one would use all attempts up during an outage of minutes.
    """
    return Answer(503, why, retry_after_secs=min(2 ** min(attempt - 1, 10), _LONGEST_WAIT_SECS))


def not_this_attempt(verdict: str) -> Answer:
    """503, never 409: that would settle the attempt of somebody else."""
    return Answer(503, f"this attempt is {verdict}")


def refused(sqlstate: str | None, attempt: int) -> Answer:
    """What a database error means, after everything was rolled back.

    Only the inbox itself may say that the event is processed. The database's own text stays out: it quotes rows.
    """
    if sqlstate == PROCESSED:
        return DONE_BEFORE
    if sqlstate in (OUTDATED, UNKNOWN):
        return not_this_attempt("outdated" if sqlstate == OUTDATED else "unknown")
    if sqlstate is None or sqlstate.startswith(("08", "53", "57P")):
        return busy("the database cannot be reached; see the handler's log", attempt)
    if sqlstate in ("40001", "40P01", "55P03", "57014"):
        return Answer(503, f"the database gave way to others (SQLSTATE {sqlstate})")
    return Answer(500, f"the database refused (SQLSTATE {sqlstate}); see the handler's log")


def says(error: ValidationError) -> str:
    """Which fields are wrong and why, without a single value of the payload."""
    found = "; ".join(_problems(error)).encode()
    return found[:_REASON_BYTES].decode(errors="ignore")


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(step) for step in problem["loc"]) or "the payload"
        # A parser's own words quote what it could not read.
        quotes = "error" in problem.get("ctx", {})
        yield f"{where}: {problem['type'].replace('_', ' ') if quotes else problem['msg']}"
