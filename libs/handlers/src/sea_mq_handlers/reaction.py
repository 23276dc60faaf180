"""What a context does about one kind of event."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sea_mq_handlers.inbox import Transaction

Effects = Callable[[Transaction, Any], None]


@dataclass(frozen=True)
class Reaction:
    """Three steps, each given what the one before it returned.

    ``translate`` turns the payload into the context's own words. Pure; a ``pydantic.ValidationError`` or ``Poison``
    makes the event a dead letter.

    ``ask``, when there is one, asks another service. It runs before the transaction, so that nothing is locked while
    the answer is awaited; it may run again for the same event, so it may change nothing.

    ``effects`` changes the context's tables and emits, all through the transaction it is given.
    """

    translate: Callable[[Any], Any]
    effects: Effects
    ask: Callable[[Any], Any] | None = None


# By event type and version. `None`: known here, and nothing follows from it. A kind that is absent is not known.
Reactions = Mapping[tuple[str, int], Reaction | None]
