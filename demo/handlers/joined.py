"""A handler's side of the contract: effects and the inbox's mark in one transaction."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from pydantic import BaseModel

log = logging.getLogger("handler")

# The inbox's own refusals: the attempt was replaced, the message is unknown, it is processed.
OUTDATED, UNKNOWN, PROCESSED = "MQ101", "MQ102", "MQ103"


class Event(BaseModel):
    """The body of POST /handle."""

    message_id: UUID
    subject: str
    event_type: str
    event_version: int
    occurred_at: datetime | None = None
    correlation_id: UUID
    causation_id: UUID | None = None
    aggregate_type: str | None = None
    aggregate_id: str | None = None
    consumer: str
    attempt: int
    fence: int
    payload: Any


class Poison(Exception):
    """This event can never be handled: 422, it becomes a dead letter."""


class Unavailable(Exception):
    """Not now: 503, it comes again."""


Answer = tuple[int, str]
Effects = Callable[[psycopg.Connection, Event], None]


def handle(connection: psycopg.Connection, event: Event, effects: Effects) -> Answer:
    """Runs ``effects`` exactly once for the event; the HTTP status and why."""
    status, why = _answer(connection, event, effects)
    log.info("message_id=%s attempt=%s status=%s %s", event.message_id, event.attempt, status, why)
    return status, why


def _answer(connection: psycopg.Connection, event: Event, effects: Effects) -> Answer:
    try:
        return _in_one_transaction(connection, event, effects)
    except Poison as poison:
        return 422, str(poison)
    except Unavailable as unavailable:
        return 503, str(unavailable)
    except psycopg.Error as error:
        return _refused(error)


def _in_one_transaction(connection: psycopg.Connection, event: Event, effects: Effects) -> Answer:
    attempt = (event.message_id, event.consumer, event.fence)
    with connection.transaction():
        (verdict,) = connection.execute("SELECT inbox_begin(%s, %s, %s)", attempt).fetchone()
        if verdict == "done":
            return 409, "processed already"
        if verdict != "run":
            return 503, f"this attempt is {verdict}"
        effects(connection, event)
        # Last, since it locks the inbox row until the commit.
        connection.execute("SELECT inbox_complete(%s, %s, %s)", attempt)
    return 200, "processed"


def _refused(error: psycopg.Error) -> Answer:
    """Everything was rolled back. Only the inbox itself may say that it is processed."""
    if error.sqlstate == PROCESSED:
        return 409, "processed already"
    if error.sqlstate in (OUTDATED, UNKNOWN):
        return 503, "this attempt was replaced"
    log.exception("the database refused")
    return 503, f"the database refused ({error.sqlstate or type(error).__name__})"
