"""What a handler is given to change the world with: the transaction that the inbox's mark ends."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

from typing_extensions import Unpack

from sea_mq.emission import EMIT, Details, Payload, caused, emission, event_id
from sea_mq.event import Event

C = TypeVar("C")

Rows = Sequence[Sequence[Any]]


class Emitter:
    """Puts events into the outbox in the handler's transaction."""

    def __init__(self, ask: Callable[[str, Sequence[Any]], Rows], cause: Event[Any] | None) -> None:
        self._ask = ask
        self._cause = cause

    def emit(
        self, subject: str, payload: Payload, *, cause: Event[Any] | None = None, **details: Unpack[Details]
    ) -> UUID:
        """Puts an event into the outbox, caused by the one that is handled: its correlation goes on.

        ``aggregate=(type, id)`` keeps it in order with others; further :class:`~sea_mq.emission.Details` are
        ``occurred_at``, ``publish_after`` and ``event_id``. A handler for many events says which of them is the
        ``cause``. Returns the new event's id.

        Raises:
            ValueError: no cause was said, or a time has no zone.
        """
        return event_id(self._ask(EMIT, emission(subject, payload, **details, **caused(cause or self._cause))))


class AsyncEmitter:
    """Puts events into the outbox in the handler's transaction."""

    def __init__(self, ask: Callable[[str, Sequence[Any]], Awaitable[Rows]], cause: Event[Any] | None) -> None:
        self._ask = ask
        self._cause = cause

    async def emit(
        self, subject: str, payload: Payload, *, cause: Event[Any] | None = None, **details: Unpack[Details]
    ) -> UUID:
        """As :meth:`Emitter.emit`."""
        values = emission(subject, payload, **details, **caused(cause or self._cause))
        return event_id(await self._ask(EMIT, values))


class Transaction(Emitter, Generic[C]):
    """An open transaction on ``connection``. It is committed with the inbox's mark, after the handler has returned."""

    def __init__(self, connection: C, ask: Callable[[str, Sequence[Any]], Rows], cause: Event[Any] | None) -> None:
        super().__init__(ask, cause)
        self.connection = connection


class AsyncTransaction(AsyncEmitter, Generic[C]):
    """As :class:`Transaction`, on a connection that is awaited."""

    def __init__(
        self, connection: C, ask: Callable[[str, Sequence[Any]], Awaitable[Rows]], cause: Event[Any] | None
    ) -> None:
        super().__init__(ask, cause)
        self.connection = connection
