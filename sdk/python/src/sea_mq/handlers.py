"""Which function handles which event."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload

from pydantic import TypeAdapter

from sea_mq.annotation import is_async, payload_of
from sea_mq.database import Database, R, T
from sea_mq.event import Event

P = TypeVar("P")
A = TypeVar("A")

Mode = Literal["each", "together"]
"""Of a batch: a transaction for each event, or one for all events that chose it."""

_EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Registration:
    """A function and what it is called with. ``many``: a list of events at a time."""

    function: Callable[..., Any]
    payload: TypeAdapter[Any]
    ask: Callable[[Event[Any]], Any] | None
    many: bool
    together: bool


class Handlers(Generic[T, R]):
    """The handlers of one context, all over one database."""

    def __init__(self, database: Database[T, R], *, transaction: Mode = "each") -> None:
        """``transaction`` is what holds for events of a batch whose registration says nothing."""
        self.database = database
        self.registrations: dict[tuple[str, int], Registration | None] = {}
        self._together = _is_together(transaction)

    @overload
    def on(
        self, event_type: str, event_version: int, *, transaction: Mode | None = None
    ) -> Callable[[Callable[[T, Event[P]], R]], Callable[[T, Event[P]], R]]: ...

    @overload
    def on(
        self,
        event_type: str,
        event_version: int,
        *,
        ask: Callable[[Event[P]], Awaitable[A]],
        transaction: Mode | None = None,
    ) -> Callable[[Callable[[T, Event[P], A], R]], Callable[[T, Event[P], A], R]]: ...

    @overload
    def on(
        self, event_type: str, event_version: int, *, ask: Callable[[Event[P]], A], transaction: Mode | None = None
    ) -> Callable[[Callable[[T, Event[P], A], R]], Callable[[T, Event[P], A], R]]: ...

    def on(
        self,
        event_type: str,
        event_version: int,
        *,
        ask: Callable[[Event[Any]], Any] | None = None,
        transaction: Mode | None = None,
    ) -> Callable[[Callable[..., R]], Callable[..., R]]:
        """Registers ``function(tx, event)``; its payload is validated as the annotation ``Event[…]`` says.

        ``ask`` runs before the transaction and holds no connection: it asks other services, may run again for the same
        event and so may change nothing. What it returns is the function's third argument.

        Raises:
            TypeError: the function does not fit; the message says what to write.
            ValueError: there is a handler for this event, or it cannot be the name of one.
        """
        together = self._together if transaction is None else _is_together(transaction)

        def register(function: Callable[..., R]) -> Callable[..., R]:
            self._check_colour(function)
            if ask is not None:
                self._check_colour(ask)
            payload = payload_of(function, many=False, asked=ask is not None)
            self._add(event_type, event_version, Registration(function, payload, ask, False, together))
            return function

        return register

    def on_many(
        self, event_type: str, event_version: int
    ) -> Callable[[Callable[[T, list[Event[P]]], R]], Callable[[T, list[Event[P]]], R]]:
        """Registers ``function(tx, events)`` for all events of the type in a batch, in one transaction with the others
        that chose ``together``. When that fails it is called anew with one event at a time. Raises as :meth:`on`.
        """

        def register(function: Callable[[T, list[Event[P]]], R]) -> Callable[[T, list[Event[P]]], R]:
            self._check_colour(function)
            payload = payload_of(function, many=True, asked=False)
            self._add(event_type, event_version, Registration(function, payload, None, True, True))
            return function

        return register

    def ignore(self, event_type: str, event_version: int) -> None:
        """Nothing follows from this event: it is known, and answered with 200. Raises ValueError as :meth:`on`."""
        self._add(event_type, event_version, None)

    def _add(self, event_type: str, event_version: int, registration: Registration | None) -> None:
        kind = (event_type, event_version)
        if not _EVENT_TYPE.fullmatch(event_type) or event_version < 1:
            raise ValueError(f"{kind} is no event: write a type such as 'vibe_scored', and a version from 1 on")
        if kind in self.registrations:
            raise ValueError(f"{event_type} version {event_version} has a handler already")
        self.registrations[kind] = registration

    def _check_colour(self, function: Callable[..., Any]) -> None:
        if is_async(function) is self.database.blocking:
            named, database = getattr(function, "__qualname__", repr(function)), type(self.database).__name__
            write = "def" if self.database.blocking else "async def"
            raise TypeError(f"{named}: write it with `{write}`, since the handlers are over {database}")


def _is_together(transaction: Mode) -> bool:
    if transaction not in ("each", "together"):
        raise ValueError(f"transaction={transaction!r}: write 'each' or 'together'")
    return transaction == "together"
