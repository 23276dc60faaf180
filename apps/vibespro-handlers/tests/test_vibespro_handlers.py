"""VibesPro's reactions over HTTP and a real database with VibesPro's own tables."""

import logging
import unittest
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from sources import MIGRATIONS

from sea_mq.testing import Context, Server, Service
from vibespro_handlers.shell.app import app


def setUpModule() -> None:
    global vibespro, running
    logging.disable(logging.CRITICAL)
    server = Server.start()
    unittest.addModuleCleanup(server.stop)
    vibespro = Context.provision(server, "vibespro", MIGRATIONS)
    unittest.addModuleCleanup(vibespro.close)
    vibespro.admin.execute("INSERT INTO users (user_id, name, created_at) VALUES ('ada', 'Ada', now())")
    running = Service.start(app({"DB_URL": vibespro.app_url}))
    unittest.addModuleCleanup(running.stop)


def tearDownModule() -> None:
    logging.disable(logging.NOTSET)


class TestDecision(unittest.TestCase):
    def setUp(self) -> None:
        self.vibe_id, self.case_id = str(uuid4()), str(uuid4())
        vibespro.admin.execute(
            """
            INSERT INTO vibes (vibe_id, user_id, title, description, revision, created_at, updated_at)
            VALUES (%s, 'ada', 'A tune', '', 7, now(), now())
            """,
            (self.vibe_id,),
        )

    def call(self, event: str, revision: int, **said: Any) -> dict[str, Any]:
        about = {"decision_id": str(uuid4()), "case_id": self.case_id, "vibe_id": self.vibe_id}
        return vibespro.attempt(f"sea.event.{event}.v1", {**about, "vibe_revision": revision, **said})

    def recorded(self, revision: int, outcome: str = "approved", **said: Any) -> dict[str, Any]:
        whole = {"outcome": outcome, "reasons": [], "policies": [], "decided_at": "2026-05-04T09:00:00Z", **said}
        return self.call("governance_decision_recorded", revision, **whole)

    def violation(self, revision: int, message: str) -> dict[str, Any]:
        found = [{"policy": "minimum_score", "version": 1, "message": message}]
        return self.call("policy_violation_detected", revision, violations=found, detected_at="2026-05-04T09:00:00Z")

    def vibe(self) -> tuple[Any, ...]:
        (row,) = vibespro.rows(
            "SELECT revision, decision_outcome, decision_reason, decision_case_id::text FROM vibes WHERE vibe_id = %s",
            self.vibe_id,
        )
        return tuple(row.values())

    def test_a_decision_is_shown_and_the_revision_stays(self) -> None:
        for call, outcome, reason in [
            (self.recorded(2), "approved", None),
            (self.recorded(3, "review", reasons=["say more"]), "review", "say more"),
            (self.violation(4, "below 40"), "rejected", "below 40"),
            (self.recorded(5), "approved", None),
        ]:
            self.assertEqual(running.handle(call).status, 200)
            self.assertEqual(self.vibe(), (7, outcome, reason, self.case_id))
            self.assertEqual((vibespro.inbox(call)["state"], vibespro.emitted(call)), ("processed", []))

    def test_an_older_one_never_replaces_a_newer_one(self) -> None:
        for call, outcome in [
            (self.recorded(4), "approved"),
            (self.violation(3, "below 40"), "approved"),
            (self.recorded(4, "review"), "review"),
        ]:
            self.assertEqual(running.handle(call).status, 200)
            self.assertEqual((self.vibe()[1], vibespro.inbox(call)["state"]), (outcome, "processed"))

    def test_an_unknown_vibe_is_poison_for_a_person_to_see(self) -> None:
        call = self.recorded(2)
        call["payload"]["vibe_id"] = str(uuid4())
        answer = running.handle(call)
        self.assertEqual((answer.status, "no such vibe" in answer.text), (422, True))
        self.assertEqual(vibespro.inbox(call)["state"], "running")

    def test_a_duplicate_is_409_and_an_outdated_attempt_503(self) -> None:
        call = self.recorded(2)
        self.assertEqual([running.handle(call).status for _ in range(2)], [200, 409])
        old = self.violation(3, "below 40")
        vibespro.attempt_again(old)
        self.assertEqual(running.handle(old).status, 503)
        self.assertEqual(self.vibe()[1], "approved")

    def test_a_bad_payload_is_poison_and_another_event_has_no_reaction(self) -> None:
        bad = running.handle(self.recorded(2, outcome="secret"))
        self.assertEqual((bad.status, "secret" in bad.text), (422, False), bad)
        self.assertEqual(running.handle(self.call("case_renamed", 1)).status, 404)
        self.assertEqual(self.vibe()[1], None)

    def test_the_cases_of_sea_are_of_no_concern(self) -> None:
        for kind in ("case_created", "task_completed"):
            answer = running.handle(self.call(kind, 1))
            self.assertEqual((answer.status, answer.text), (200, "nothing to do"), kind)


class TestService(unittest.TestCase):
    def test_ready(self) -> None:
        answer = running.request("GET", "/health/ready")
        self.assertEqual(answer.status, 200, answer)

    def test_a_missing_setting_stops_the_start(self) -> None:
        with patch("sys.stderr"), self.assertRaises(SystemExit) as stopped:
            app({})
        self.assertEqual(stopped.exception.code, 64)


if __name__ == "__main__":
    unittest.main()
