"""The demo's handlers without servers: which answer follows from which verdict."""

import os
import sys
import unittest
from contextlib import nullcontext
from pathlib import Path
from uuid import UUID

import psycopg

sys.path.insert(0, str(Path(__file__).parents[3] / "demo" / "handlers"))
# The pools are made with the services and opened by neither test.
os.environ.setdefault("DB_URL", "postgres://nobody@127.0.0.1:1/none")

import joined  # noqa: E402
import sea_handler  # noqa: E402
import vibespro_handler  # noqa: E402


class Database:
    """Stands in for a connection: answers inbox_begin, remembers or refuses the rest."""

    def __init__(self, verdict: str = "run", refusal: str | None = None) -> None:
        self.verdict, self.refusal, self.statements = verdict, refusal, []

    def transaction(self):
        return nullcontext()

    def execute(self, statement: str, parameters: tuple = ()):
        self.statements.append(statement)
        if "inbox_complete" in statement and self.refusal:
            raise refused(self.refusal)
        return self

    def fetchone(self) -> tuple:
        return (self.verdict,)


def refused(sqlstate: str) -> psycopg.Error:
    error = psycopg.DatabaseError(sqlstate)
    error.sqlstate = sqlstate
    return error


def event(kind: str = "vibe_scored", attempt: int = 1, context: str = "vibespro", **payload) -> joined.Event:
    return joined.Event(
        message_id=UUID(int=1), correlation_id=UUID(int=2), subject=f"{context}.event.{kind}.v1", event_type=kind,
        event_version=1, consumer="sea__from_vibespro", attempt=attempt, fence=attempt,
        payload={"vibe_id": "v", "user_id": "u", "revision": 1, "title": "t", "score": 50, **payload},
    )


class TestJoined(unittest.TestCase):
    def setUp(self) -> None:
        joined.log.disabled = True

    def test_each_verdict_of_the_inbox_has_its_answer(self) -> None:
        for verdict, status in [("run", 200), ("done", 409), ("outdated", 503), ("unknown", 503)]:
            ran = []
            answer = joined.handle(Database(verdict), event(), lambda *_: ran.append(1))
            self.assertEqual((answer[0], len(ran)), (status, int(verdict == "run")), verdict)

    def test_a_refused_completion_never_claims_success(self) -> None:
        for sqlstate, status in [("MQ101", 503), ("MQ102", 503), ("MQ103", 409), ("40001", 503)]:
            answer = joined.handle(Database(refusal=sqlstate), event(), lambda *_: None)
            self.assertEqual(answer[0], status, sqlstate)

    def test_completion_comes_last(self) -> None:
        database = Database()
        joined.handle(database, event(), sea_handler.effects)
        self.assertIn("inbox_begin", database.statements[0])
        self.assertIn("inbox_complete", database.statements[-1])


class TestSea(unittest.TestCase):
    def answer(self, *args, **payload) -> tuple[int, list[str]]:
        joined.log.disabled = True
        database = Database()
        status, _ = joined.handle(database, event(*args, **payload), sea_handler.effects)
        return status, database.statements

    def test_a_score_out_of_range_is_poison_and_has_no_effect(self) -> None:
        for score in (-1, 101):
            status, statements = self.answer(score=score)
            self.assertEqual((status, len(statements)), (422, 1), score)

    def test_a_decision_is_told_to_the_world(self) -> None:
        _, statements = self.answer()
        self.assertTrue(any("outbox_emit" in statement for statement in statements))

    def test_an_outage_is_rehearsed_for_the_recorded_attempts(self) -> None:
        outage = {"unavailable_attempts": 2}
        answers = [self.answer("vibe_scored", attempt, rehearsal=outage)[0] for attempt in (1, 2, 3)]
        self.assertEqual(answers, [503, 503, 200])

    def test_an_unknown_event_comes_again(self) -> None:
        self.assertEqual(self.answer("vibe_sold")[0], 503)


class TestVibespro(unittest.TestCase):
    def test_knows_decisions_only(self) -> None:
        joined.log.disabled = True
        for kind, status in [("governance_decision_recorded", 200), ("case_created", 503)]:
            known = event(kind, context="sea", decision="approved")
            self.assertEqual(joined.handle(Database(), known, vibespro_handler.effects)[0], status, kind)


if __name__ == "__main__":
    unittest.main()
