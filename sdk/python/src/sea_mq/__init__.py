"""Handlers of events whose effects happen exactly once.

    worker ──POST /handle──▶ router ──▶ engine ──▶ validate ─▶ ask ─▶ one transaction
                                                    (422)     (503)    inbox_begin
                                                                       your function: effects, tx.emit
                                                                       inbox_complete

    handlers = Handlers(Psycopg(connection_pool(db_url)))

    @handlers.on("vibe_scored", 1)
    def vibe_scored(tx: Transaction[Connection], event: Event[VibeScored]) -> None:
        tx.connection.execute("UPDATE …")
        tx.emit("sea.event.case_created.v1", {…}, aggregate=("case", case_id))

    app = FastAPI(lifespan=lifespan(handlers))
    app.include_router(router(handlers))

- :mod:`sea_mq.psycopg`, :mod:`sea_mq.asyncpg`, :mod:`sea_mq.sqlalchemy`: the database, and ``emit`` for one's own
  transactions.
- :mod:`sea_mq.fastapi`, :mod:`sea_mq.serve`: the service.
- :mod:`sea_mq.testing`: handlers without a broker, and a real database to test them on.
"""

from sea_mq.answer import Answer, Poison, Retry
from sea_mq.event import Event
from sea_mq.handlers import Handlers
from sea_mq.transaction import AsyncTransaction, Transaction

__all__ = ["Answer", "AsyncTransaction", "Event", "Handlers", "Poison", "Retry", "Transaction"]
