"""Which event is answered by which use case."""

from datetime import datetime, timezone
from uuid import uuid4

from sea_mq import Event, Handlers
from sea_mq.psycopg import Psycopg

from sea_handlers.adapters.books import Tx, books
from sea_handlers.app.ports import Judge, World
from sea_handlers.app.reviewing import begin_review, decide, follow, judge
from sea_handlers.domain.governance import Judged
from sea_handlers.domain.vibe import VibeScored, VibeSeen


def real_world() -> World:
    """Random identities, the machine's clock."""
    return World(new_id=uuid4, now=lambda: datetime.now(timezone.utc))


def reactions(database: Psycopg, ask: Judge, world: World) -> Handlers[Tx, None]:
    """SEA's reactions."""
    handlers = Handlers(database)

    @handlers.on("vibe_created", 1)
    def vibe_created(tx: Tx, event: Event[VibeSeen]) -> None:
        begin_review(books(tx, event.message_id), world, event.payload)

    @handlers.on("vibe_updated", 1)
    def vibe_updated(tx: Tx, event: Event[VibeSeen]) -> None:
        follow(books(tx, event.message_id), event.payload)

    def judged(event: Event[VibeScored]) -> Judged:
        return judge(ask, event.payload)

    @handlers.on("vibe_scored", 1, ask=judged)
    def vibe_scored(tx: Tx, event: Event[VibeScored], asked: Judged) -> None:
        decide(books(tx, event.message_id), world, asked)

    return handlers
