"""What SEA's events mean to VibesPro: tables, no servers."""

import unittest
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import sources  # noqa: F401 (first: it makes the rest importable)
from pydantic import ValidationError

from vibespro_handlers.app.showing import Shown, UnknownVibe, show
from vibespro_handlers.domain.verdict import LONGEST_REASON, DecisionRecorded, Verdict, ViolationDetected

VIBE, CASE = UUID(int=1), UUID(int=2)
AT = "2026-05-04T11:00:00+02:00"
ABOUT = {"decision_id": "d", "case_id": str(CASE), "vibe_id": str(VIBE), "vibe_revision": 3}


def recorded(**changed: Any) -> dict[str, Any]:
    return {**ABOUT, "outcome": "review", "reasons": ["too short"], "policies": [], "decided_at": AT, **changed}


def violation(**changed: Any) -> dict[str, Any]:
    found = [{"policy": "p", "version": 1, "message": f"below {bound}"} for bound in (40, 50)]
    return {**ABOUT, "violations": found, "detected_at": AT, **changed}


def verdict(of: type[DecisionRecorded] | type[ViolationDetected], payload: dict[str, Any]) -> Verdict:
    return of.model_validate(payload).verdict


class TestTranslation(unittest.TestCase):
    def test_a_decision_becomes_a_verdict(self) -> None:
        at = datetime(2026, 5, 4, 9, tzinfo=timezone.utc)
        self.assertEqual(verdict(DecisionRecorded, recorded()), Verdict(VIBE, 3, "review", "too short", CASE, at))
        self.assertEqual(
            verdict(ViolationDetected, violation()), Verdict(VIBE, 3, "rejected", "below 40; below 50", CASE, at)
        )

    def test_reasons_become_one_that_can_be_kept(self) -> None:
        for reasons, reason in [([], None), ([""], None), (["a\x00b\n"], "a b"), (["a", "b"], "a; b")]:
            self.assertEqual(verdict(DecisionRecorded, recorded(reasons=reasons)).reason, reason)
        self.assertEqual(len(verdict(DecisionRecorded, recorded(reasons=["x" * 9000])).reason), LONGEST_REASON)

    def test_what_makes_no_sense_is_refused(self) -> None:
        for changed in [
            {"outcome": "perhaps"}, {"reasons": "text"}, {"reasons": [5]}, {"vibe_id": "v"}, {"vibe_revision": 0},
            {"vibe_revision": "3"}, {"decided_at": "2026-05-04T11:00:00"}, {"decided_at": None}, {"case_id": None},
        ]:  # fmt: skip
            with self.subTest(changed), self.assertRaises(ValidationError):
                verdict(DecisionRecorded, recorded(**changed))
        for changed in [{"violations": [{}]}, {"violations": None}, {"detected_at": "soon"}]:
            with self.subTest(changed), self.assertRaises(ValidationError):
                verdict(ViolationDetected, violation(**changed))

    def test_only_an_unknown_vibe_is_a_failure(self) -> None:
        class Vibes:
            def __init__(self, shown: Shown) -> None:
                self.show = lambda _: shown

        found = verdict(DecisionRecorded, recorded())
        for shown in (Shown.KEPT, Shown.OLDER):
            show(Vibes(shown), found)
        with self.assertRaises(UnknownVibe):
            show(Vibes(Shown.NO_SUCH_VIBE), found)


if __name__ == "__main__":
    unittest.main()
