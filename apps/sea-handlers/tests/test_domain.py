"""What events mean to SEA and what follows from a judgement: tables, no servers."""

import unittest
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import sources  # noqa: F401 (first: it makes the rest importable)
from pydantic import ValidationError

from sea_handlers.domain.announcement import rfc3339
from sea_handlers.domain.case import StandingCase, Task, needs_new_case, steps, titled
from sea_handlers.domain.governance import Decision, Judged, Judgement, announce
from sea_handlers.domain.vibe import VibeScored, VibeSeen, facts

VIBE, CASE, DECISION = UUID(int=1), UUID(int=2), UUID(int=3)


def payload(**changed: Any) -> dict[str, Any]:
    return {"vibe_id": str(VIBE), "user_id": "ada", "title": "A tune", "revision": 2, "score": 40, **changed}


class TestTranslation(unittest.TestCase):
    def test_their_words_become_ours_and_what_is_new_is_ignored(self) -> None:
        seen = VibeSeen.model_validate(payload(description="d", mood="blue"))
        self.assertEqual(seen.model_dump(), {"vibe_id": VIBE, "owner": "ada", "title": "A tune", "revision": 2})

    def test_a_title_is_one_line(self) -> None:
        for title, kept in [(" a\x00b\nc ", "a b c"), ("", ""), ("für Élise", "für Élise")]:
            self.assertEqual(VibeSeen.model_validate(payload(title=title)).title, kept)

    def test_what_makes_no_sense_is_refused(self) -> None:
        for changed in [
            {"vibe_id": "1"}, {"user_id": ""}, {"user_id": None}, {"title": 5}, {"title": "x" * 501},
            {"revision": 0}, {"revision": "2"}, {"revision": True}, {"revision": 2**63},
            {"score": -1}, {"score": 101}, {"score": "40"}, {"score": 40.5}, {"score": None},
        ]:  # fmt: skip
            with self.subTest(changed), self.assertRaises(ValidationError):
                VibeScored.model_validate(payload(**changed))
        for whole in (None, [], "text", {}):
            with self.subTest(whole), self.assertRaises(ValidationError):
                VibeSeen.model_validate(whole)

    def test_the_policies_are_asked_about_our_words(self) -> None:
        self.assertEqual(
            facts(VibeScored.model_validate(payload())),
            {"vibe_id": str(VIBE), "owner": "ada", "title": "A tune", "revision": 2, "score": 40},
        )


class TestSteps(unittest.TestCase):
    review, follow_up = Task(UUID(int=7), "review", "r"), Task(UUID(int=8), "follow_up", "f")

    def test_what_a_decision_asks_for(self) -> None:
        for outcome, tasks, add, complete in [
            ("approved", [self.review], None, [self.review]),
            ("approved", [self.review, self.follow_up], None, [self.review]),
            ("approved", [], None, []),
            ("review", [self.review], None, []),
            ("review", [self.follow_up], "review", []),
            ("rejected", [self.review], "follow_up", [self.review]),
            ("rejected", [self.review, self.follow_up], None, [self.review]),
            ("rejected", [], "follow_up", []),
        ]:
            todo = steps(outcome, StandingCase(CASE, True, tuple(tasks)))
            self.assertEqual((todo.add, todo.complete), (add, tuple(complete)), (outcome, tasks))

    def test_when_a_case_is_opened_anew(self) -> None:
        for outcome, is_open, new in [
            ("approved", None, True), ("approved", False, False), ("approved", True, False),
            ("review", None, True), ("review", False, True), ("review", True, False),
            ("rejected", None, True), ("rejected", False, True), ("rejected", True, False),
        ]:  # fmt: skip
            case = None if is_open is None else StandingCase(CASE, is_open, ())
            self.assertEqual(needs_new_case(outcome, case), new, (outcome, is_open))

    def test_titles_fit(self) -> None:
        self.assertEqual(titled("review", ""), "Review: an untitled vibe")
        self.assertEqual(len(titled("follow_up", "x" * 500)), 200)


class TestAnnouncement(unittest.TestCase):
    def announced(self, outcome: str, *policies: tuple[str, bool, str | None]) -> tuple[str, dict[str, Any]]:
        results = [{"name": n, "version": 4, "passed": p, "message": m} for n, p, m in policies]
        said = {"outcome": outcome, "policies": results, "evaluated_at": "2026-05-04T11:00:00+02:00"}
        judged = Judged(VibeScored.model_validate(payload()), Judgement.model_validate(said))
        it = announce(Decision(DECISION, CASE, judged))
        self.assertEqual((it.aggregate_type, it.aggregate_id), ("vibe", str(VIBE)))
        about = {"decision_id": str(DECISION), "case_id": str(CASE), "vibe_id": str(VIBE), "vibe_revision": 2}
        self.assertEqual({name: it.payload.pop(name) for name in about}, about)
        return it.event, it.payload

    def test_what_is_not_rejected_is_recorded(self) -> None:
        at = "2026-05-04T09:00:00.000000Z"
        for outcome, passed, message, reasons in [
            ("approved", True, None, []),
            ("review", False, "too short", ["too short"]),
            ("review", False, None, ["policy p version 4 is violated"]),
        ]:
            event, rest = self.announced(outcome, ("p", passed, message))
            self.assertEqual(event, "governance_decision_recorded.v1")
            policies = [{"name": "p", "version": 4}]
            self.assertEqual(rest, {"outcome": outcome, "reasons": reasons, "policies": policies, "decided_at": at})

    def test_a_rejection_names_each_violation(self) -> None:
        event, rest = self.announced("rejected", ("a", True, None), ("b", False, "below 40"))
        self.assertEqual(event, "policy_violation_detected.v1")
        violations = [{"policy": "b", "version": 4, "message": "below 40"}]
        self.assertEqual(rest, {"violations": violations, "detected_at": "2026-05-04T09:00:00.000000Z"})

    def test_moments_are_utc(self) -> None:
        moment = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
        self.assertEqual(rfc3339(moment), "2025-12-31T23:30:00.000000Z")


if __name__ == "__main__":
    unittest.main()
