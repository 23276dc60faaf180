"""Which event is answered by which use case."""

from datetime import datetime, timezone
from uuid import uuid4

from sea_mq_handlers.reaction import Reaction, Reactions

from sea_handlers.adapters.books import books
from sea_handlers.app.ports import Judge, World
from sea_handlers.app.reviewing import begin_review, decide, follow, judge
from sea_handlers.domain.vibe import translate, translate_scored


def real_world() -> World:
    """Random identities, the machine's clock."""
    return World(new_id=uuid4, now=lambda: datetime.now(timezone.utc))


def reactions(ask: Judge, world: World) -> Reactions:
    """SEA's reactions."""
    return {
        ("vibe_created", 1): Reaction(translate, lambda tx, vibe: begin_review(books(tx), world, vibe)),
        ("vibe_updated", 1): Reaction(translate, lambda tx, vibe: follow(books(tx), vibe)),
        ("vibe_scored", 1): Reaction(
            translate_scored,
            ask=lambda vibe: judge(ask, vibe),
            effects=lambda tx, judged: decide(books(tx), world, judged),
        ),
    }
