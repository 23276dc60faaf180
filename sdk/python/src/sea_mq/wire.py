"""Calls and answers as they travel. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from sea_mq.answer import Answer, says
from sea_mq.event import Call
from sea_mq.handlers import Handlers

CONTRACT = 1
# The broker takes events of 1 MiB by default, and as JSON the call says a little more.
LARGEST_CALL_BYTES = 16 * 1024 * 1024
LARGEST_BATCH_BYTES = 64 * 1024 * 1024


class NoCall(Exception):
    """This is nothing that a worker says; the text says why, without a value of it."""


def read_call(body: bytes, traceparent: str | None) -> Call:
    """The call of one event. Raises NoCall."""
    try:
        call = Call.model_validate_json(body)
    except ValidationError as error:
        raise NoCall(f"this is no call of a worker: {says(error)}") from None
    return call if traceparent is None else call.model_copy(update={"traceparent": traceparent})


def read_batch(body: bytes, most: int) -> list[Call]:
    """The calls of a batch, in order. Raises NoCall when it is empty, too long or has anything else in it."""
    try:
        found = from_json(body)
    except ValueError:
        raise NoCall("this is no batch of a worker: it is not JSON") from None
    if not isinstance(found, list) or not 0 < len(found) <= most:
        raise NoCall(f"a batch is an array of 1 to {most} calls")
    try:
        return [Call.model_validate(it) for it in found]
    except ValidationError as error:
        raise NoCall(f"this is no batch of a worker: {says(error)}") from None


def written(answers: Sequence[Answer]) -> bytes:
    """The answers of a batch."""
    told = [{"status": it.status, "why": it.why, "retry_after": it.retry_after} for it in answers]
    return json.dumps(told).encode()


def capabilities(handlers: Handlers[Any, Any], batch: int | None) -> dict[str, Any]:
    """What a worker may do with these handlers."""
    kinds = sorted(kind for kind, registration in handlers.registrations.items() if registration)
    return {
        "contract": CONTRACT,
        "batch": None if batch is None else {"max_events": batch},
        "events": [{"event_type": name, "event_version": version} for name, version in kinds],
    }
