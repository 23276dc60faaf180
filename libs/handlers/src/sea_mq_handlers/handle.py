"""One call of the worker, from the event to the answer."""

import logging
import time
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout
from pydantic import ValidationError

from sea_mq_handlers.answer import (
    DONE,
    DONE_BEFORE,
    NOTHING_TO_DO,
    Answer,
    Poison,
    Unavailable,
    busy,
    not_handled,
    not_this_attempt,
    poison,
    refused,
    says,
)
from sea_mq_handlers.event import Event
from sea_mq_handlers.inbox import NotCurrent, check, joined
from sea_mq_handlers.log import about_event, about_failure, log
from sea_mq_handlers.reaction import Reaction, Reactions


def handle(pool: ConnectionPool, reactions: Reactions, event: Event, traceparent: str | None = None) -> Answer:
    """Runs the reaction to the event exactly once, and says in one log line what came of it. Raises nothing."""
    started = time.monotonic()
    answer = _answer(pool, reactions, event, traceparent)
    took_ms = round((time.monotonic() - started) * 1000, 1)
    about = {**about_event(event), "status": answer.status, "took_ms": took_ms}
    log.log(logging.INFO if answer.status in (200, 409) else logging.WARNING, answer.why, extra={"fields": about})
    return answer


def _answer(pool: ConnectionPool, reactions: Reactions, event: Event, traceparent: str | None) -> Answer:
    if event.kind not in reactions:
        return not_handled(*event.kind)
    reaction = reactions[event.kind]
    if reaction is None:
        return NOTHING_TO_DO
    try:
        _react(pool, reaction, event, traceparent)
    except NotCurrent as stopped:
        return DONE_BEFORE if stopped.verdict == "done" else not_this_attempt(stopped.verdict)
    except Poison as error:
        return poison(str(error))
    except Unavailable as error:
        return busy(str(error), event.attempt)
    except PoolTimeout:
        return busy("no connection to the database is free, or it cannot be reached", event.attempt)
    except psycopg.Error as error:
        return _refused(error, event)
    except Exception as error:
        log.error("the reaction failed", extra={"fields": {**about_event(event), **about_failure(error)}})
        return Answer(500, f"the reaction failed ({type(error).__name__}); see the handler's log")
    return DONE


def _react(pool: ConnectionPool, reaction: Reaction, event: Event, traceparent: str | None) -> None:
    found = _translated(reaction, event.payload)
    if reaction.ask is not None:
        with pool.connection() as connection:
            check(connection, event)
        # No connection is held while somebody else is asked.
        found = reaction.ask(found)
    with pool.connection() as connection, joined(connection, event, traceparent) as transaction:
        reaction.effects(transaction, found)


def _translated(reaction: Reaction, payload: Any) -> Any:
    try:
        return reaction.translate(payload)
    except ValidationError as error:
        raise Poison(says(error)) from None


def _refused(error: psycopg.Error, event: Event) -> Answer:
    answer = refused(error.sqlstate, event.attempt)
    if answer.status >= 500:
        log.warning("the database refused", extra={"fields": {**about_event(event), **about_failure(error)}})
    return answer
