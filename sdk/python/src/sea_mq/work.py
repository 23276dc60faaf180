"""A call that there is a function for, with its validated payload."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from sea_mq.answer import NOTHING_TO_DO, Answer, not_handled, poison, says
from sea_mq.event import Call, Event
from sea_mq.handlers import Handlers, Registration


class NotCurrent(Exception):
    """The inbox does not let this attempt run."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.why)
        self.answer = answer


@dataclass(eq=False)
class Work:
    """``place`` is that in the batch; ``asked`` is what was asked before the transaction, if anything."""

    place: int
    call: Call
    event: Event[Any]
    registration: Registration
    asked: tuple[Any, ...] = ()


def prepared(handlers: Handlers[Any, Any], place: int, call: Call) -> Work | Answer:
    """What is to be done, or the answer when there is nothing. Raises what a model's own validators raise."""
    if call.kind not in handlers.registrations:
        return not_handled(*call.kind)
    registration = handlers.registrations[call.kind]
    if registration is None:
        return NOTHING_TO_DO
    try:
        # As JSON, not as Python's objects: a strict model takes a UUID or a time from a string then.
        payload = registration.payload.validate_json(to_json(call.payload))
    except ValidationError as error:
        return poison(says(error))
    return Work(place, call, call.event(payload), registration)
