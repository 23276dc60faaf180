"""All of SEA's books in one transaction."""

from typing import Any, TypeAlias
from uuid import UUID

from psycopg import Connection
from sea_mq import Transaction

from sea_handlers.adapters.cases import Cases
from sea_handlers.adapters.decisions import GovernanceDecisions
from sea_handlers.adapters.vibes import VibeViews
from sea_handlers.app.ports import Books
from sea_handlers.domain.announcement import Announcement

Tx: TypeAlias = Transaction[Connection[Any]]


def books(transaction: Tx, message_id: UUID) -> Books:
    """What the message may change."""

    def announce(it: Announcement) -> None:
        aggregate = (it.aggregate_type, it.aggregate_id)
        transaction.emit(f"sea.event.{it.event}", it.payload, aggregate=aggregate)

    connection = transaction.connection
    decisions = GovernanceDecisions(connection, message_id)
    return Books(VibeViews(connection), Cases(connection), decisions, announce)
