"""All of SEA's books in one transaction."""

from sea_mq_handlers.inbox import Transaction

from sea_handlers.adapters.cases import Cases
from sea_handlers.adapters.decisions import GovernanceDecisions
from sea_handlers.adapters.vibes import VibeViews
from sea_handlers.app.ports import Books
from sea_handlers.domain.announcement import Announcement


def books(transaction: Transaction) -> Books:
    """What the transaction's event may change."""

    def announce(it: Announcement) -> None:
        transaction.emit(f"sea.event.{it.event}", it.payload, it.aggregate_type, it.aggregate_id)

    connection = transaction.connection
    decisions = GovernanceDecisions(connection, transaction.event.message_id)
    return Books(VibeViews(connection), Cases(connection), decisions, announce)
