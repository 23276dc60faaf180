"""Every answer of the handler contract, over HTTP and a real database."""

import logging
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any
from uuid import uuid4

import sources  # noqa: F401 (first: it makes the rest importable)
from pydantic import BaseModel, Field

from sea_mq_handlers.answer import Unavailable
from sea_mq_handlers.inbox import Transaction
from sea_mq_handlers.reaction import Reaction
from sea_mq_handlers.service import LARGEST_CALL_BYTES, service
from sea_mq_handlers.testing import Context, Server, Service

SUBJECT = "other.event.coin_thrown.v1"
TABLES = "CREATE TABLE coins (coin_id uuid PRIMARY KEY, value integer NOT NULL CHECK (value < 1000));"


class Coin(BaseModel):
    coin_id: str
    value: int = Field(strict=True, ge=0)


class Asked:
    """Another service: counts how often it is asked, and may be away."""

    def __init__(self) -> None:
        self.times, self.away = 0, False

    def __call__(self, coin: Coin) -> Coin:
        self.times += 1
        if self.away:
            raise Unavailable("the mint cannot be reached")
        return coin


def keep(transaction: Transaction, coin: Coin) -> None:
    insert = "INSERT INTO coins (coin_id, value) VALUES (%s, %s)"
    transaction.connection.execute(insert, (coin.coin_id, coin.value))
    transaction.emit("kit.event.coin_kept.v1", {"coin_id": coin.coin_id}, "coin", coin.coin_id)


def keep_and_fail(transaction: Transaction, coin: Coin) -> None:
    keep(transaction, coin)
    raise KeyError("secret")


def keep_too_long(transaction: Transaction, coin: Coin) -> None:
    keep(transaction, coin)
    transaction.connection.execute("SET LOCAL statement_timeout = 1")
    transaction.connection.execute("SELECT pg_sleep(10)")


def setUpModule() -> None:
    global kit, mint, running
    logging.disable(logging.CRITICAL)
    server = Server.start()
    unittest.addModuleCleanup(server.stop)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "0001_coins.sql").write_text(TABLES)
        kit = Context.provision(server, "kit", Path(folder))
    unittest.addModuleCleanup(kit.close)
    mint = Asked()
    reactions = {
        ("coin_thrown", 1): Reaction(Coin.model_validate, keep),
        ("coin_thrown", 2): Reaction(Coin.model_validate, keep, ask=mint),
        ("coin_thrown", 3): Reaction(Coin.model_validate, keep_and_fail),
        ("coin_thrown", 4): Reaction(Coin.model_validate, keep_too_long),
    }
    running = Service.start(service("kit-handlers", kit.app_url, reactions, ["coins"]))
    unittest.addModuleCleanup(running.stop)


def tearDownModule() -> None:
    logging.disable(logging.NOTSET)


class TestContract(unittest.TestCase):
    def setUp(self) -> None:
        mint.times, mint.away = 0, False
        self.coin = str(uuid4())

    def call(self, version: int = 1, **payload: Any) -> dict[str, Any]:
        whole = {"coin_id": self.coin, "value": 5, **payload}
        return kit.attempt(f"other.event.coin_thrown.v{version}", whole)

    def coins(self) -> int:
        return len(kit.rows("SELECT FROM coins WHERE coin_id = %s", self.coin))

    def assert_nothing_there(self, call: dict[str, Any]) -> None:
        self.assertEqual((self.coins(), kit.emitted(call)), (0, []))
        self.assertNotEqual(kit.inbox(call)["state"], "processed")

    def test_effects_event_and_mark_are_one(self) -> None:
        call = self.call()
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        self.assertEqual(running.handle(call, traceparent=trace).status, 200)
        self.assertEqual((self.coins(), kit.inbox(call)["state"]), (1, "processed"))
        (event,) = kit.emitted(call)
        self.assertEqual(str(event["correlation_id"]), call["correlation_id"])
        self.assertEqual((event["aggregate_id"], event["trace_id"]), (self.coin, trace))

    def test_a_duplicate_is_409_and_changes_nothing(self) -> None:
        call = self.call()
        answers = [running.handle(call).status for _ in range(3)]
        self.assertEqual((answers, self.coins(), len(kit.emitted(call))), ([200, 409, 409], 1, 1))

    def test_duplicates_at_the_same_moment_take_effect_once(self) -> None:
        call = self.call()
        statuses: list[int] = []
        calls = [threading.Thread(target=lambda: statuses.append(running.handle(call).status)) for _ in range(8)]
        for thread in calls:
            thread.start()
        for thread in calls:
            thread.join()
        # Whoever came second may also have seen the first one's row: refused, and called again.
        self.assertEqual((statuses.count(200), self.coins(), len(kit.emitted(call))), (1, 1, 1))

    def test_an_outdated_attempt_is_503_and_the_current_one_runs(self) -> None:
        old = self.call()
        current = kit.attempt_again(old)
        self.assertEqual(running.handle(old).status, 503)
        self.assert_nothing_there(old)
        self.assertEqual(running.handle(current).status, 200)

    def test_an_attempt_replaced_on_its_way_is_rolled_back(self) -> None:
        call = self.call(version=2)

        def replaced(coin: Coin) -> Coin:
            kit.attempt_again(call)
            return coin

        reactions = {("coin_thrown", 2): Reaction(Coin.model_validate, keep, ask=replaced)}
        replacing = Service.start(service("kit-replaced", kit.app_url, reactions, []))
        self.addCleanup(replacing.stop)
        self.assertEqual(replacing.handle(call).status, 503)
        self.assert_nothing_there(call)

    def test_a_message_that_was_never_recorded_is_503(self) -> None:
        answer = running.handle({**self.call(), "message_id": str(uuid4())})
        self.assertEqual((answer.status, answer.text, self.coins()), (503, "this attempt is unknown", 0))

    def test_a_bad_payload_is_422_without_its_values(self) -> None:
        for payload in ({"value": "secret"}, {"value": -1}, {"coin_id": None}):
            call = self.call(**payload)
            answer = running.handle(call)
            self.assertEqual(answer.status, 422, answer)
            self.assertNotIn("secret", answer.text)
            self.assert_nothing_there(call)

    def test_an_unknown_type_or_version_is_404(self) -> None:
        for subject in ("other.event.coin_lost.v1", "other.event.coin_thrown.v9"):
            self.assertEqual(running.handle(kit.attempt(subject, {})).status, 404, subject)

    def test_a_call_that_is_none_is_400_and_one_too_large_is_413(self) -> None:
        for body in (b"", b"{", b"[]", b'{"message_id": "secret"}'):
            answer = running.request("POST", "/handle", body)
            self.assertEqual(answer.status, 400, body)
            self.assertNotIn("secret", answer.text)
        self.assertEqual(running.request("POST", "/handle", b" " * (LARGEST_CALL_BYTES + 1)).status, 413)

    def test_a_failure_in_the_middle_leaves_nothing(self) -> None:
        for version, status in [(3, 500), (4, 503)]:
            call = self.call(version=version)
            answer = running.handle(call)
            self.assertEqual(answer.status, status, answer)
            self.assertNotIn("secret", answer.text)
            self.assert_nothing_there(call)

    def test_what_the_database_refuses_is_500_without_its_words(self) -> None:
        call = self.call(value=31337)
        answer = running.handle(call)
        self.assertEqual((answer.status, "31337" in answer.text), (500, False), answer)
        self.assert_nothing_there(call)

    def test_who_is_away_is_503_with_a_growing_wait(self) -> None:
        mint.away = True
        call = self.call(version=2)
        first = running.handle(call)
        second = running.handle(kit.attempt_again(call))
        self.assertEqual((first.status, first.retry_after, second.retry_after), (503, "1", "2"))
        self.assertIn("the mint cannot be reached", first.text)
        self.assert_nothing_there(call)

    def test_connections_that_were_cut_off_are_replaced(self) -> None:
        cut = kit.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kit_app'")
        call = self.call()
        answers = [running.handle(call)]
        while answers[-1].status == 503 and len(answers) <= len(cut):
            self.assertEqual(answers[-1].retry_after, "1")
            answers.append(running.handle(call))
        self.assertEqual((answers[-1].status, self.coins()), (200, 1), answers)

    def test_nobody_is_asked_in_vain(self) -> None:
        call = self.call(version=2)
        self.assertEqual(running.handle(call).status, 200)
        outdated = self.call(version=2)
        kit.attempt_again(outdated)
        statuses = [running.handle(it).status for it in (call, outdated)]
        self.assertEqual((statuses, mint.times), ([409, 503], 1))


class TestHealth(unittest.TestCase):
    def ready(self, url: str, needs: list[str]) -> tuple[int, str]:
        other = Service.start(service("kit-health", url, {}, needs))
        self.addCleanup(other.stop)
        self.assertEqual(other.request("GET", "/health/live").status, 200)
        answer = other.request("GET", "/health/ready")
        return answer.status, answer.json().get("why", "")

    def test_ready_with_database_and_tables(self) -> None:
        self.assertEqual(self.ready(kit.app_url, ["coins"]), (200, ""))

    def test_what_is_missing_is_named(self) -> None:
        status, why = self.ready(kit.app_url, ["coins", "coins.value", "coins.colour", "notes", "notes.text"])
        self.assertEqual(status, 503)
        self.assertIn("there is no coins.colour, notes, notes.text;", why)

    def test_without_a_database_it_lives_and_events_wait(self) -> None:
        status, why = self.ready("postgres://nobody:secret@127.0.0.1:1/none", [])
        self.assertEqual((status, "secret" in why), (503, False), why)


if __name__ == "__main__":
    unittest.main()
