"""A vibe is seen, reviewed, judged."""

from uuid import UUID

from sea_handlers.app.ports import Books, Judge, World
from sea_handlers.domain.case import (
    Kind,
    OpenedCase,
    StandingCase,
    Task,
    case_created,
    first_case_id,
    needs_new_case,
    steps,
    task_completed,
    titled,
)
from sea_handlers.domain.governance import Decision, Judged, announce
from sea_handlers.domain.vibe import VibeScored, VibeSeen, facts


def begin_review(books: Books, world: World, vibe: VibeSeen) -> None:
    """On a new vibe: SEA sees it, and somebody is to review it."""
    books.vibes.see(vibe)
    _open_case(books, world, vibe, first_case_id(vibe.vibe_id))


def follow(books: Books, vibe: VibeSeen) -> None:
    """On a changed vibe: SEA sees the change."""
    books.vibes.see(vibe)


def judge(ask: Judge, vibe: VibeScored) -> Judged:
    """Before the transaction: what the policies say about the scored vibe."""
    return Judged(vibe, ask(facts(vibe)))


def decide(books: Books, world: World, judged: Judged) -> None:
    """On a scored vibe: the judgement becomes SEA's decision, the case follows, the world hears of it."""
    vibe = judged.vibe
    books.vibes.see(vibe)
    # An event that comes late is decided like any other, but changes nothing that a later one has settled.
    late = books.decisions.newer_than(vibe.vibe_id, vibe.revision)
    case = books.cases.standing(vibe.vibe_id)
    if needs_new_case(judged.judgement.outcome, case) and not (late and case):
        case = _open_case(books, world, vibe, world.new_id() if case else first_case_id(vibe.vibe_id))
    if not late:
        books.vibes.keep_score(vibe)
        _settle(books, world, judged, case)
    decision = Decision(world.new_id(), case.case_id, judged)
    books.decisions.record(decision)
    books.announce(announce(decision))


def _open_case(books: Books, world: World, vibe: VibeSeen, case_id: UUID) -> StandingCase:
    review = _new_task(world, "review", vibe)
    case = OpenedCase(case_id, vibe.vibe_id, titled("review", vibe.title), (review,), world.now())
    if books.cases.open(case):
        books.announce(case_created(case))
    return StandingCase(case_id, is_open=True, open_tasks=case.tasks)


def _settle(books: Books, world: World, judged: Judged, case: StandingCase) -> None:
    todo = steps(judged.judgement.outcome, case)
    # First what is added: a case without an open task closes.
    if todo.add:
        books.cases.add(case.case_id, _new_task(world, todo.add, judged.vibe))
    for task in todo.complete:
        at = world.now()
        left = books.cases.complete(case.case_id, task, at)
        books.announce(task_completed(case.case_id, task, at, left))


def _new_task(world: World, kind: Kind, vibe: VibeSeen) -> Task:
    return Task(world.new_id(), kind, titled(kind, vibe.title))
