"""SEA's reactions over HTTP, a real database with SEA's own tables, and a server that stands in for sea-api."""

import logging
import unittest
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from judging import SeaApi, judgement
from sources import MIGRATIONS

from sea_handlers.adapters.decisions import GovernanceDecisions
from sea_handlers.shell.app import app
from sea_mq_contracts import sea as contracts
from sea_mq.testing import Answered, Context, Server, Service


def setUpModule() -> None:
    global sea, sea_api, running
    logging.disable(logging.CRITICAL)
    server = Server.start()
    unittest.addModuleCleanup(server.stop)
    sea = Context.provision(
        server, "sea", MIGRATIONS, before="CREATE TABLE sea_migrations (version integer PRIMARY KEY)"
    )
    unittest.addModuleCleanup(sea.close)
    sea_api = SeaApi()
    unittest.addModuleCleanup(sea_api.stop)
    running = Service.start(app({"DB_URL": sea.app_url, "SEA_API_URL": sea_api.url}))
    unittest.addModuleCleanup(running.stop)


def tearDownModule() -> None:
    logging.disable(logging.NOTSET)


CONTRACTS = {
    "case_created": contracts.CaseCreatedV1,
    "task_completed": contracts.TaskCompletedV1,
    "governance_decision_recorded": contracts.GovernanceDecisionRecordedV1,
    "policy_violation_detected": contracts.PolicyViolationDetectedV1,
}


def events_of(call: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that a call has caused, in order; each keeps its contract."""
    events = sea.emitted(call)
    for event in events:
        CONTRACTS[event["event_type"]].model_validate(event["payload"])
    return events


class Told(unittest.TestCase):
    """A vibe of its own for each test, and what VibesPro tells about it."""

    def setUp(self) -> None:
        self.vibe_id = str(uuid4())
        sea_api.says(judgement("approved"))

    def call(self, event: str, revision: int, **said: Any) -> dict[str, Any]:
        whole = {"vibe_id": self.vibe_id, "user_id": "ada", "title": f"Tune {revision}", "revision": revision, **said}
        return sea.attempt(f"vibespro.event.{event}.v1", whole)

    def tell(self, event: str, revision: int, **said: Any) -> dict[str, Any]:
        """An event that is handled; the call that was made."""
        call = self.call(event, revision, **said)
        answer = running.handle(call)
        self.assertEqual(answer, Answered(200, "processed", None))
        return call

    def score(self, revision: int, outcome: str, score: int = 50, **failed: str) -> dict[str, Any]:
        sea_api.says(judgement(outcome, **failed))
        return self.tell("vibe_scored", revision, score=score)

    def view(self) -> dict[str, Any] | None:
        rows = sea.rows("SELECT owner, title, revision, last_score FROM vibe_views WHERE vibe_id = %s", self.vibe_id)
        return rows[0] if rows else None

    def cases(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """State, and kind and state of each task; the oldest first."""
        found = sea.rows("SELECT case_id, state FROM cases WHERE vibe_id = %s ORDER BY opened_at", self.vibe_id)
        return [(case["state"], self.tasks(case["case_id"])) for case in found]

    def tasks(self, case_id: Any) -> list[tuple[str, str]]:
        rows = sea.rows("SELECT kind, state FROM tasks WHERE case_id = %s ORDER BY position", case_id)
        return [(row["kind"], row["state"]) for row in rows]

    def decisions(self) -> list[tuple[int, str]]:
        rows = sea.rows(
            "SELECT vibe_revision, outcome FROM governance_decisions WHERE vibe_id = %s ORDER BY vibe_revision",
            self.vibe_id,
        )
        return [(row["vibe_revision"], row["outcome"]) for row in rows]

    def events(self, call: dict[str, Any]) -> list[str]:
        """Type of each event that a call caused; the lineage of all is checked."""
        emitted = events_of(call)
        for event in emitted:
            self.assertEqual(str(event["correlation_id"]), call["correlation_id"])
        return [event["event_type"] for event in emitted]


class TestReadModel(Told):
    def test_a_new_vibe_is_seen_and_to_be_reviewed(self) -> None:
        call = self.tell("vibe_created", 1, description="ignored")
        self.assertEqual(self.view(), {"owner": "ada", "title": "Tune 1", "revision": 1, "last_score": None})
        self.assertEqual(self.cases(), [("open", [("review", "open")])])
        (event,) = events_of(call)
        payload = event["payload"]
        self.assertEqual((event["subject"], event["aggregate_type"]), ("sea.event.case_created.v1", "case"))
        self.assertEqual((payload["case_id"], payload["vibe_id"]), (event["aggregate_id"], self.vibe_id))
        self.assertEqual([task["kind"] for task in payload["tasks"]], ["review"])

    def test_it_follows_and_never_goes_back(self) -> None:
        for event, revision, seen in [
            ("vibe_updated", 3, 3),  # also when the beginning was missed
            ("vibe_updated", 2, 3),
            ("vibe_created", 1, 3),
            ("vibe_updated", 4, 4),
        ]:
            self.tell(event, revision)
            self.assertEqual((self.view()["revision"], self.view()["title"]), (seen, f"Tune {seen}"))

    def test_a_score_is_kept_unless_a_later_one_is(self) -> None:
        self.tell("vibe_updated", 5)
        for revision, score, kept in [(3, 30, 30), (2, 20, 30), (6, 60, 60)]:
            self.score(revision, "approved", score)
            self.assertEqual(self.view()["last_score"], kept)
        self.assertEqual(self.view()["revision"], 6)


class TestDecision(Told):
    def test_sea_api_is_asked_in_our_words(self) -> None:
        self.score(2, "approved", 77)
        facts = {"vibe_id": self.vibe_id, "owner": "ada", "title": "Tune 2", "revision": 2, "score": 77}
        self.assertEqual(sea_api.asked, [{"path": "/v1/governance/evaluations", "facts": facts}])

    def test_approved_closes_the_case(self) -> None:
        self.tell("vibe_created", 1)
        call = self.score(2, "approved")
        self.assertEqual(self.cases(), [("closed", [("review", "done")])])
        self.assertEqual(self.events(call), ["task_completed", "governance_decision_recorded"])
        completed, decision = (event["payload"] for event in events_of(call))
        self.assertEqual((completed["completed_by"], completed["open_tasks"]), ("governance", 0))
        self.assertEqual((decision["outcome"], decision["vibe_revision"]), ("approved", 2))
        self.assertEqual(self.decisions(), [(2, "approved")])

    def test_review_is_left_to_a_person(self) -> None:
        self.tell("vibe_created", 1)
        call = self.score(2, "review", described="say more")
        self.assertEqual(self.cases(), [("open", [("review", "open")])])
        (event,) = events_of(call)
        self.assertEqual(
            (event["event_type"], event["payload"]["reasons"]), ("governance_decision_recorded", ["say more"])
        )

    def test_rejected_is_a_violation_to_follow_up(self) -> None:
        self.tell("vibe_created", 1)
        call = self.score(2, "rejected", minimum_score="below 40")
        self.assertEqual(self.cases(), [("open", [("review", "done"), ("follow_up", "open")])])
        self.assertEqual(self.events(call), ["task_completed", "policy_violation_detected"])
        violation = events_of(call)[1]
        self.assertEqual(violation["subject"], "sea.event.policy_violation_detected.v1")
        self.assertEqual((violation["aggregate_type"], violation["aggregate_id"]), ("vibe", self.vibe_id))
        self.assertEqual(
            violation["payload"]["violations"], [{"policy": "minimum_score", "version": 3, "message": "below 40"}]
        )

    def test_after_a_closed_case_a_new_one(self) -> None:
        self.tell("vibe_created", 1)
        self.score(2, "approved")
        self.score(3, "approved")
        self.assertEqual(len(self.cases()), 1)
        call = self.score(4, "review", described="changed")
        self.assertEqual(self.cases(), [("closed", [("review", "done")]), ("open", [("review", "open")])])
        self.assertEqual(self.events(call), ["case_created", "governance_decision_recorded"])
        self.score(5, "approved")
        self.assertEqual([state for state, _ in self.cases()], ["closed", "closed"])

    def test_a_person_s_own_case_is_left_alone(self) -> None:
        case_id, task_id = uuid4(), uuid4()
        sea.admin.execute(
            "INSERT INTO cases (case_id, title, vibe_id) VALUES (%s, 'Mine', %s)", (case_id, self.vibe_id)
        )
        sea.admin.execute(
            "INSERT INTO tasks (task_id, case_id, kind, title) VALUES (%s, %s, 'review', 'Mine')", (task_id, case_id)
        )
        self.score(2, "approved")
        self.assertEqual(self.tasks(case_id), [("review", "open")])

    def test_a_score_without_a_case_opens_the_one_that_a_late_beginning_finds(self) -> None:
        call = self.score(2, "review", described="changed")
        self.assertEqual(self.events(call), ["case_created", "governance_decision_recorded"])
        late = self.tell("vibe_created", 1)
        self.assertEqual((len(self.cases()), self.events(late)), (1, []))

    def test_a_late_score_is_decided_and_unsettles_nothing(self) -> None:
        self.tell("vibe_created", 1)
        self.score(4, "review", 50, described="say more")
        before = self.cases()
        call = self.score(2, "rejected", 10, minimum_score="below 40")
        self.assertEqual((self.cases(), self.view()["last_score"]), (before, 50))
        self.assertEqual(self.events(call), ["policy_violation_detected"])
        self.assertEqual(self.decisions(), [(2, "rejected"), (4, "review")])


class TestFailures(Told):
    def assert_nothing_there(self, call: dict[str, Any]) -> None:
        self.assertEqual((self.view(), self.cases(), self.decisions(), events_of(call)), (None, [], [], []))
        self.assertEqual(sea.inbox(call)["state"], "running")

    def test_a_duplicate_asks_nobody(self) -> None:
        call = self.score(2, "approved")
        sea_api.says(judgement("review", described="changed"))
        self.assertEqual((running.handle(call).status, sea_api.asked), (409, []))
        self.assertEqual(self.decisions(), [(2, "approved")])

    def test_an_outdated_attempt_asks_nobody(self) -> None:
        call = self.call("vibe_scored", 2, score=50)
        current = sea.attempt_again(call)
        self.assertEqual((running.handle(call).status, sea_api.asked), (503, []))
        self.assert_nothing_there(call)
        self.assertEqual(running.handle(current).status, 200)

    def test_sea_api_failing_refusing_or_babbling_is_503(self) -> None:
        problem = {"type": "urn:sea:problem:invalid_input", "detail": "secret"}
        unknown = {**judgement("approved"), "outcome": "perhaps"}
        for status, answer, text in [
            (500, b"", "sea-api failed (HTTP 500)"),
            (503, b"", "sea-api failed (HTTP 503)"),
            (422, problem, "sea-api refused the question (HTTP 422, urn:sea:problem:invalid_input)"),
            (404, b"<html>", "sea-api refused the question (HTTP 404)"),
            (301, b"", "sea-api refused the question (HTTP 301)"),
            (200, b"", "no judgement"),
            (200, unknown, "no judgement"),
            (200, judgement("rejected"), "no judgement"),  # without a violation
            (200, b'"' + b"x" * 2**20 + b'"', "no judgement"),
        ]:
            sea_api.says(answer, status)
            call = self.call("vibe_scored", 2, score=50)
            got = running.handle(call)
            self.assertEqual((got.status, got.retry_after), (503, "1"), text)
            self.assertIn(text, got.text)
            self.assertNotIn("secret", got.text)
            self.assert_nothing_there(call)

    def test_sea_api_away_is_503_and_then_it_is_judged(self) -> None:
        gone = SeaApi()
        gone.stop()
        alone = Service.start(app({"DB_URL": sea.app_url, "SEA_API_URL": gone.url}))
        self.addCleanup(alone.stop)
        call = self.call("vibe_scored", 2, score=50)
        answer = alone.handle(call)
        self.assertEqual((answer.status, answer.retry_after), (503, "1"))
        self.assertIn("SEA_API_URL", answer.text)
        self.assert_nothing_there(call)
        self.assertEqual(running.handle(sea.attempt_again(call)).status, 200)

    def test_a_failure_at_the_last_effect_leaves_nothing(self) -> None:
        call = self.call("vibe_scored", 2, score=50)
        with patch.object(GovernanceDecisions, "record", side_effect=RuntimeError("secret")):
            answer = running.handle(call)
        self.assertEqual((answer.status, "secret" in answer.text), (500, False))
        self.assert_nothing_there(call)

    def test_bad_payloads_are_poison(self) -> None:
        for event, said in [("vibe_created", {"title": None}), ("vibe_scored", {"score": 101}), ("vibe_scored", {})]:
            call = self.call(event, 2, **said)
            answer = running.handle(call)
            self.assertEqual((answer.status, sea_api.asked), (422, []), answer)
            self.assert_nothing_there(call)

    def test_other_events_have_no_reaction(self) -> None:
        for subject in ("vibespro.event.vibe_generated.v1", "vibespro.event.vibe_scored.v2"):
            self.assertEqual(running.handle(sea.attempt(subject, {})).status, 404)


class TestService(unittest.TestCase):
    def test_ready(self) -> None:
        self.assertEqual(running.request("GET", "/health/ready").status, 200)

    def test_settings_that_make_no_sense_stop_the_start(self) -> None:
        for environment in ({}, {"DB_URL": "x"}, {"DB_URL": "x", "SEA_API_URL": "nowhere"}):
            with self.subTest(environment), patch("sys.stderr"), self.assertRaises(SystemExit) as stopped:
                app(environment)
            self.assertEqual(stopped.exception.code, 64)


if __name__ == "__main__":
    unittest.main()
