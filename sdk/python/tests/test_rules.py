"""Every rule of the handler contract, over HTTP and a real database, through every way to it."""

import json
import logging
import threading
import unittest
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid4

import psycopg
from coins import Coin, Hooks, handlers, provisioned
from databases import Way, for_each_way
from fastapi import FastAPI

from sea_mq import Event, Handlers, Poison, Retry
from sea_mq.fastapi import lifespan, router
from sea_mq.log import Line
from sea_mq.testing import Answered, Server, Service

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
MOST = 8


def setUpModule() -> None:
    global kit, lines
    server = Server.start()
    unittest.addModuleCleanup(server.stop)
    kit = provisioned(server)
    unittest.addModuleCleanup(kit.close)
    lines = Lines()
    log = logging.getLogger("sea_mq")
    log.addHandler(lines)
    log.setLevel(logging.INFO)
    log.propagate = False
    unittest.addModuleCleanup(log.removeHandler, lines)


class Lines(logging.Handler):
    """What is logged, as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Line(as_json=True))
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(self.format(record))


def app(found: Handlers[Any, Any], **options: Any) -> FastAPI:
    made = FastAPI(lifespan=lifespan(found))
    made.include_router(router(found, **options))
    return made


class Rules(unittest.TestCase):
    """A service of its own for each way; a coin of its own for each test."""

    way: Way

    @classmethod
    def setUpClass(cls) -> None:
        cls.hooks = Hooks()
        cls.handlers = handlers(cls.way, kit.app_url, cls.hooks)
        cls.running = Service.start(app(cls.handlers, batch=MOST, ready=["coins"]))
        cls.addClassCleanup(cls.running.stop)

    def setUp(self) -> None:
        self.coin = uuid4()
        self.hooks.together.clear()

    def call(self, event: str = "coin_thrown", coin: UUID | None = None, **said: Any) -> dict[str, Any]:
        payload = {"coin_id": str(coin or self.coin), "value": 5, **said}
        return {**kit.attempt(f"other.event.{event}.v1", payload), "traceparent": None}

    def handle(self, call: dict[str, Any], **headers: str) -> Answered:
        return self.running.handle(call, **headers)

    def batch(self, *calls: dict[str, Any]) -> list[tuple[int, str, int | None]]:
        answer = self.running.handle_batch(list(calls))
        self.assertEqual(answer.status, 200, answer)
        return [(it["status"], it["why"], it["retry_after"]) for it in answer.json()]

    def kept(self, *calls: dict[str, Any]) -> list[int]:
        """How many coins, events and marks each call has made: with all three alike."""
        found = []
        for call in calls:
            coins = len(kit.rows("SELECT FROM coins WHERE coin_id = %s", call["payload"]["coin_id"]))
            processed = kit.inbox(call)["state"] == "processed"
            self.assertEqual((coins, len(kit.emitted(call))), (int(processed), int(processed)))
            found.append(coins)
        return found

    def inside(self, hook: Callable[[], Any], coin: UUID | None = None) -> None:
        """The first time that the coin is handled."""

        def once() -> Any:
            del self.hooks.inside[coin or self.coin]
            return hook()

        self.hooks.inside[coin or self.coin] = once

    def always(self, error: BaseException, coin: UUID | None = None) -> None:
        def fail() -> None:
            raise error

        self.hooks.inside[coin or self.coin] = fail


class Single(Rules):
    def test_effects_event_and_mark_are_one_and_the_lineage_goes_on(self) -> None:
        call = self.call()
        self.assertEqual(self.handle(call, traceparent=TRACE), Answered(200, "processed", None))
        self.assertEqual(self.kept(call), [1])
        (event,) = kit.emitted(call)
        self.assertEqual(str(event["correlation_id"]), call["correlation_id"])
        self.assertEqual((event["aggregate_type"], event["aggregate_id"]), ("coin", str(self.coin)))
        self.assertEqual((event["trace_id"], event["payload"]), (TRACE, {"coin_id": str(self.coin)}))

    def test_a_traceparent_that_is_none_goes_nowhere(self) -> None:
        call = self.call()
        self.assertEqual(self.handle(call, traceparent="00-zz").status, 200)
        self.assertEqual(kit.emitted(call)[0]["trace_id"], None)

    def test_a_duplicate_is_409_and_changes_nothing(self) -> None:
        for event in ("coin_thrown", "coin_counted", "coin_asked"):
            call = self.call(event, uuid4())
            self.assertEqual([self.handle(call).status for _ in range(3)], [200, 409, 409])
            self.assertEqual(self.kept(call), [1])

    def test_duplicates_at_the_same_moment_take_effect_once(self) -> None:
        call = self.call()
        statuses: list[int] = []
        calls = [threading.Thread(target=lambda: statuses.append(self.handle(call).status)) for _ in range(6)]
        for thread in calls:
            thread.start()
        for thread in calls:
            thread.join()
        self.assertEqual((statuses.count(200), self.kept(call)), (1, [1]))
        self.assertLessEqual(set(statuses), {200, 409, 503})

    def test_an_outdated_attempt_is_503_and_the_current_one_runs(self) -> None:
        old = self.call()
        current = kit.attempt_again(old)
        self.assertEqual(self.handle(old), Answered(503, "this attempt is outdated", None))
        self.assertEqual(self.kept(old), [0])
        self.assertEqual(self.handle(current).status, 200)

    def test_a_message_that_was_never_recorded_is_503(self) -> None:
        self.assertEqual(
            self.handle({**self.call(), "message_id": str(uuid4())}), Answered(503, "this attempt is unknown", None)
        )

    def test_a_zombie_that_commits_late_changes_nothing(self) -> None:
        call = self.call()
        self.inside(lambda: kit.attempt_again(call))
        self.assertEqual(self.handle(call), Answered(503, "this attempt is outdated", None))
        self.assertEqual(self.kept(call), [0])

    def test_a_zombie_that_commits_after_the_one_that_replaced_it_changes_nothing(self) -> None:
        call = self.call()
        others: list[int] = []
        self.inside(lambda: others.append(self.handle(kit.attempt_again(call)).status))
        self.assertEqual(self.handle(call), Answered(409, "processed already", None))
        self.assertEqual((others, self.kept(call)), ([200], [1]))

    def test_what_a_handler_raises(self) -> None:
        for error, answered in [
            (Poison("no coin"), Answered(422, "no coin", None)),
            (Retry("the mint is away"), Answered(503, "the mint is away", "1")),
            (Retry("the mint is away", after=6.2), Answered(503, "the mint is away", "7")),
            (Retry("at once", after=0), Answered(503, "at once", "0")),
            (Retry("never", after=float("inf")), Answered(503, "never", "86400")),
            (Poison("é" * 401), Answered(422, "é" * 400 + "…", None)),
            (KeyError("secret"), Answered(500, "the handler failed (KeyError); see its log", None)),
        ]:
            call = self.call()
            self.always(error)
            self.assertEqual(self.handle(call), answered)
            self.assertEqual(self.kept(call), [0])

    def test_the_wait_grows_with_the_attempt(self) -> None:
        call = self.call()
        self.always(Retry("the mint is away"))
        waits = [self.handle(kit.attempt_again(call)).retry_after for _ in range(3)]
        self.assertEqual(waits, ["2", "4", "8"])

    def test_a_bad_payload_is_422_without_its_values(self) -> None:
        for said, why in [
            ({"value": "secret"}, "value: Input should be a valid integer"),
            ({"value": -1}, "value: Input should be greater than or equal to 0"),
            ({"coin_id": "secret"}, "coin_id: uuid parsing"),
        ]:
            call = self.call(**said)
            self.assertEqual(self.handle(call), Answered(422, why, None))
            self.assertEqual(kit.inbox(call)["state"], "running")

    def test_an_unknown_event_is_404_and_an_ignored_one_200(self) -> None:
        for subject, status in [("coin_lost.v1", 404), ("coin_thrown.v9", 404), ("coin_ignored.v1", 200)]:
            self.assertEqual(self.handle(kit.attempt(f"other.event.{subject}", {})).status, status, subject)

    def test_what_the_database_refuses_is_500_without_its_words(self) -> None:
        call = self.call(value=31337)
        self.assertEqual(self.handle(call).text, "the database refused (SQLSTATE 23514); see the handler's log")
        self.assertEqual(self.kept(call), [0])
        self.assertRegex(lines.written[-2], '"sqlstate": "23514", "table": "coins", "constraint": "coins_value_check"')

    def test_no_line_holds_a_payload_nor_a_database_s_words(self) -> None:
        lines.written.clear()
        self.always(KeyError("secret"))
        for call in (self.call(), self.call(coin=uuid4(), value="secret"), self.call(coin=uuid4(), value=31337)):
            self.handle(call)
            self.batch(call)
            told = [json.loads(line) for line in lines.written]
            about = {"message_id", "correlation_id", "consumer", "attempt", "event_type", "event_version", "status"}
            self.assertTrue(any(about <= set(line) and line["message_id"] == call["message_id"] for line in told))
        self.assertNotRegex("".join(lines.written), f"secret|31337|{self.coin}")


class Asked(Rules):
    def ask(self, hook: Callable[[], Any]) -> list[None]:
        """How often it is asked."""
        times: list[None] = []

        def count() -> Any:
            times.append(None)
            return hook()

        self.hooks.asked[self.coin] = count
        return times

    def test_nobody_is_asked_in_vain(self) -> None:
        times = self.ask(lambda: None)
        call = self.call("coin_asked")
        outdated = self.call("coin_asked")
        kit.attempt_again(outdated)
        self.assertEqual([self.handle(it).status for it in (call, call, outdated)], [200, 409, 503])
        self.assertEqual([it[0] for it in self.batch(call, outdated)], [409, 503])
        self.assertEqual(len(times), 1)

    def test_who_is_away_is_503(self) -> None:
        def away() -> None:
            raise Retry("the mint cannot be reached")

        times = self.ask(away)
        call = self.call("coin_asked")
        self.assertEqual(self.handle(call), Answered(503, "the mint cannot be reached", "1"))
        self.assertEqual((self.kept(call), len(times)), ([0], 1))

    def test_an_attempt_replaced_while_somebody_was_asked_is_503(self) -> None:
        call = self.call("coin_asked")
        self.ask(lambda: kit.attempt_again(call))
        self.assertEqual(self.handle(call).status, 503)
        self.assertEqual(self.kept(call), [0])

    def test_no_connection_is_held_meanwhile(self) -> None:
        used = "SELECT FROM pg_stat_activity WHERE usename = 'kit_app' AND state <> 'idle'"
        found: list[int] = []
        self.ask(lambda: found.append(len(kit.rows(used))))
        for event in ("coin_asked", "coin_asked_shared"):
            call = self.call(event)
            self.assertEqual((self.handle(call).status, found.pop()), (200, 0))

    def test_in_a_batch_each_is_asked_once_and_who_is_away_fails_alone(self) -> None:
        def away() -> None:
            raise Retry("the mint cannot be reached")

        for event in ("coin_asked", "coin_asked_shared"):
            self.coin = uuid4()
            times = self.ask(away)
            well, ill = [self.call(event, uuid4()) for _ in range(3)], self.call(event)
            statuses = [it[0] for it in self.batch(*well[:2], ill, well[2])]
            self.assertEqual((statuses, len(times)), ([200, 200, 503, 200], 1))
            self.assertEqual((self.kept(*well), self.kept(ill)), ([1, 1, 1], [0]))


class Batch(Rules):
    MODES = ("coin_thrown", "coin_shared", "coin_counted")

    def calls(self, event: str, many: int = 4) -> list[dict[str, Any]]:
        return [self.call(event, uuid4()) for _ in range(many)]

    def transactions(self, calls: list[dict[str, Any]]) -> int:
        """In how many transactions the coins were kept."""
        coins = [call["payload"]["coin_id"] for call in calls]
        return len(kit.rows("SELECT DISTINCT xmin::text FROM coins WHERE coin_id = ANY (%s::uuid[])", coins))

    def test_all_take_effect_and_each_keeps_its_lineage(self) -> None:
        for event, transactions in zip(self.MODES, (4, 1, 1), strict=True):
            calls = self.calls(event)
            calls[2]["traceparent"] = TRACE
            self.assertEqual(self.batch(*calls), [(200, "processed", None)] * 4)
            self.assertEqual((self.kept(*calls), self.transactions(calls)), ([1] * 4, transactions), event)
            for call in calls:
                (told,) = kit.emitted(call)
                self.assertEqual(
                    (str(told["correlation_id"]), told["trace_id"]), (call["correlation_id"], call["traceparent"])
                )
        self.assertEqual(self.hooks.together, [4])

    def test_one_that_fails_fails_alone(self) -> None:
        for event in self.MODES:
            for error, answer in [
                (KeyError("secret"), (500, "the handler failed (KeyError); see its log", None)),
                (Poison("no coin"), (422, "no coin", None)),
                (Retry("later", after=3), (503, "later", 3)),
            ]:
                calls = self.calls(event)
                self.always(error, UUID(calls[1]["payload"]["coin_id"]))
                done = (200, "processed", None)
                self.assertEqual(self.batch(*calls), [done, answer, done, done], event)
                self.assertEqual(self.kept(*calls), [1, 0, 1, 1])

    def test_one_that_the_database_refuses_fails_alone(self) -> None:
        for event in self.MODES:
            calls = [*self.calls(event, 2), self.call(event, uuid4(), value=31337)]
            self.assertEqual([it[0] for it in self.batch(*calls)], [200, 200, 500])
            self.assertEqual(self.kept(*calls), [1, 1, 0])

    def test_one_that_may_not_run_gets_its_own_answer(self) -> None:
        for event in self.MODES:
            good, done, old, strange = self.calls(event)
            self.handle(done)
            kit.attempt_again(old)
            strange = {**strange, "message_id": str(uuid4())}
            bad = self.call(event, uuid4(), value="secret")
            unknown = {**kit.attempt("other.event.coin_lost.v1", {}), "traceparent": None}
            ignored = kit.attempt("other.event.coin_ignored.v1", {})
            found = [it[0] for it in self.batch(done, old, good, strange, bad, unknown, ignored)]
            self.assertEqual(found, [409, 503, 200, 503, 422, 404, 200], event)
            self.assertEqual(self.kept(done, old, good), [1, 0, 1])

    def test_one_that_is_replaced_meanwhile_is_rolled_back_alone(self) -> None:
        for event in self.MODES:
            calls = self.calls(event)
            self.inside(lambda it=calls[1]: kit.attempt_again(it), UUID(calls[1]["payload"]["coin_id"]))
            self.assertEqual([it[0] for it in self.batch(*calls)], [200, 503, 200, 200])
            self.assertEqual(self.kept(*calls), [1, 0, 1, 1])

    def test_kinds_are_mixed(self) -> None:
        calls = [self.call(event, uuid4()) for event in (*self.MODES, *self.MODES, "coin_asked", "coin_asked_shared")]
        self.assertEqual([it[0] for it in self.batch(*calls)], [200] * 8)
        self.assertEqual((self.kept(*calls), self.hooks.together), ([1] * 8, [2]))
        shared = [calls[place] for place in (1, 2, 4, 5, 7)]
        self.assertEqual(self.transactions(shared), 1)

    def test_the_same_batch_twice_at_the_same_moment_takes_effect_once(self) -> None:
        for event in self.MODES:
            calls = self.calls(event, MOST)
            found: list[list[int]] = []
            both = [
                threading.Thread(target=lambda it=it: found.append([answer[0] for answer in self.batch(*it)]))
                for it in (calls, calls[::-1])
            ]
            for thread in both:
                thread.start()
            for thread in both:
                thread.join()
            self.assertEqual(self.kept(*calls), [1] * MOST)
            self.assertLessEqual({status for one in found for status in one}, {200, 409, 503})


class Meddling(Rules):
    ENDED = "the handler ended the transaction it was given; see its log"

    def does(self, call: dict[str, Any], *statements: str) -> None:
        self.hooks.sql[UUID(call["payload"]["coin_id"])] = list(statements)

    def raising(self, state: str) -> str:
        return f"DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{state}'; END $$"

    def test_a_handler_that_ends_its_transaction_is_500_and_the_event_comes_again(self) -> None:
        for event in Batch.MODES:
            for statements in [("ROLLBACK",), ("COMMIT",), ("ROLLBACK", "BEGIN"), ("COMMIT", "BEGIN")]:
                call = self.call(event, uuid4())
                self.does(call, *statements)
                self.assertEqual(self.handle(call), Answered(500, self.ENDED, None), statements)
                self.assertEqual(kit.inbox(call)["state"], "running")
            rolled_back = self.call(event)
            self.does(rolled_back, "ROLLBACK")
            self.assertEqual((self.handle(rolled_back).status, self.kept(rolled_back)), (500, [0]))
            self.hooks.sql.clear()
            self.assertEqual((self.handle(rolled_back).status, self.kept(rolled_back)), (200, [1]))
            self.coin = uuid4()

    def test_in_a_batch_its_neighbours_run_again_one_by_one(self) -> None:
        done = (200, "processed", None)
        for event in Batch.MODES:
            for statements in [("ROLLBACK",), ("ROLLBACK", "BEGIN")]:
                # Whatever one function for many does after its end is beyond help: it is the last there.
                place = 3 if event == "coin_counted" else 1
                calls = [self.call(event, uuid4()) for _ in range(4)]
                self.does(calls[place], *statements)
                expected = [(500, self.ENDED, None) if it == place else done for it in range(4)]
                self.assertEqual(self.batch(*calls), expected, event)
                self.assertEqual(self.kept(*calls), [int(it != place) for it in range(4)])

    def test_savepoints_are_fine(self) -> None:
        calls = [self.call(event, uuid4()) for event in ("coin_shared", "coin_shared", "coin_thrown")]
        for call in calls:
            self.does(call, "SAVEPOINT here", "ROLLBACK TO SAVEPOINT here", "RELEASE SAVEPOINT here")
        self.assertEqual([it[0] for it in self.batch(*calls)], [200] * 3)
        self.assertEqual(self.kept(*calls), [1] * 3)

    def test_the_inbox_s_words_mean_nothing_when_a_handler_s_statement_says_them(self) -> None:
        for state in ("MQ101", "MQ102", "MQ103"):
            why = f"the database refused (SQLSTATE {state}); see the handler's log"
            single, *batch = [self.call(event, uuid4()) for event in ("coin_thrown", "coin_shared", "coin_shared")]
            for call in (single, *batch):
                self.does(call, self.raising(state))
            self.assertEqual(self.handle(single), Answered(500, why, None))
            self.assertEqual(self.batch(*batch), [(500, why, None)] * 2)
            self.assertEqual(self.kept(single, *batch), [0] * 3)

    def test_nor_when_it_is_another_event_that_is_processed(self) -> None:
        other, call = self.call(coin=uuid4()), self.call()
        self.assertEqual(self.handle(other).status, 200)
        self.does(call, f"SELECT inbox_complete('{other['message_id']}', '{other['consumer']}', {other['fence']})")
        self.assertEqual((self.handle(call).status, self.kept(call)), (500, [0]))

    def test_nor_when_it_is_asked(self) -> None:
        for event in ("coin_asked", "coin_asked_shared"):
            self.hooks.asked[self.coin] = lambda: kit.admin.execute(self.raising("MQ103").encode())
            call = self.call(event)
            self.assertEqual((self.handle(call).status, kit.inbox(call)["state"]), (500, "running"))


class CutOff(Rules):
    """Also of the service's own pool, which may keep a broken connection until it is used."""

    def cut(self) -> list[dict[str, Any]]:
        return kit.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kit_app'")

    def test_connections_that_were_cut_off_are_replaced(self) -> None:
        self.cut()
        call = self.call()
        answers = [self.handle(call)]
        # One for each connection that a pool may have.
        while answers[-1].status == 503 and len(answers) <= 16:
            self.assertEqual((answers[-1].retry_after, self.kept(call)), ("1", [0]))
            answers.append(self.handle(call))
        self.assertEqual((answers[-1].status, self.kept(call)), (200, [1]), answers)

    def test_a_connection_that_is_cut_off_inside_is_503(self) -> None:
        call = self.call()
        self.inside(self.cut)
        self.assertEqual(self.handle(call), Answered(503, "the database cannot be reached; see the handler's log", "1"))
        self.assertEqual(self.kept(call), [0])

    def test_a_connection_that_is_cut_off_inside_harms_nobody_else(self) -> None:
        for event in Batch.MODES:
            calls = [self.call(event, uuid4()) for _ in range(4)]
            self.inside(self.cut, UUID(calls[1]["payload"]["coin_id"]))
            found = [it[0] for it in self.batch(*calls)]
            self.assertLessEqual(set(found), {200, 503}, event)
            self.assertEqual(self.kept(*calls), [int(status == 200) for status in found])


class Emits(Rules):
    def test_with_all_that_may_be_said(self) -> None:
        at, after = datetime(2026, 5, 4, 9, tzinfo=timezone.utc), datetime(2099, 1, 1, tzinfo=timezone.utc)
        event_id = uuid4()
        call = self.call("coin_told")
        found = self.emitting(
            lambda tx, event: tx.emit(
                "kit.event.coin_told.v1", event.payload, occurred_at=at, publish_after=after, event_id=event_id
            )
        )
        self.assertEqual(found.handle(call).status, 200)
        (told,) = kit.emitted(call)
        self.assertEqual((told["id"], told["occurred_at"], told["publish_after"]), (event_id, at, after))
        self.assertEqual((told["aggregate_id"], told["payload"]), (None, {"coin_id": str(self.coin), "value": 5}))

    def test_what_cannot_be_sent_is_500_and_leaves_nothing(self) -> None:
        for emit in (
            lambda tx, _: tx.emit("other.event.coin_told.v1", {}),
            lambda tx, _: tx.emit("kit.event.coin_told.v1", {}, occurred_at=datetime(2026, 1, 1)),
        ):
            call = self.call("coin_told")
            self.assertEqual(self.emitting(emit).handle(call).status, 500)
            self.assertEqual((kit.emitted(call), kit.inbox(call)["state"]), ([], "running"))

    def test_a_handler_for_many_says_which_event_is_the_cause(self) -> None:
        call = self.call("coin_told")
        found = self.emitting(lambda tx, _: tx.emit("kit.event.coin_told.v1", {}), many=True)
        self.assertEqual((found.handle(call).status, kit.emitted(call)), (500, []))

    def emitting(self, emit: Callable[[Any, Any], Any], many: bool = False) -> Service:
        handlers: Handlers[Any, Any] = Handlers(self.way(kit.app_url))
        on = handlers.on_many if many else handlers.on
        if handlers.database.blocking:

            def one(tx: Any, event: Event[Coin]) -> None:
                emit(tx, event)

            def more(tx: Any, events: list[Event[Coin]]) -> None:
                emit(tx, events)
        else:

            async def one(tx: Any, event: Event[Coin]) -> None:
                await emit(tx, event)

            async def more(tx: Any, events: list[Event[Coin]]) -> None:
                await emit(tx, events)

        on("coin_told", 1)(more if many else one)
        running = Service.start(app(handlers))
        self.addCleanup(running.stop)
        return running


class Health(Rules):
    def ready(self, url: str, needs: list[str]) -> tuple[int, str]:
        other = Service.start(app(Handlers(self.way(url)), ready=needs))
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
        handlers_ = handlers(self.way, "postgres://nobody:secret@127.0.0.1:1/none", self.hooks, 0.2)
        alone = Service.start(app(handlers_, batch=MOST))
        self.addCleanup(alone.stop)
        self.assertEqual(alone.request("GET", "/health/live").status, 200)
        ready = alone.request("GET", "/health/ready")
        self.assertEqual((ready.status, "secret" in ready.text), (503, False))
        for event in ("coin_thrown", "coin_asked"):
            answer = alone.handle(self.call(event))
            self.assertEqual((answer.status, answer.retry_after), (503, "1"), answer)
        batch = alone.handle_batch([self.call(event, uuid4()) for event in ("coin_thrown", "coin_shared") * 2])
        self.assertEqual([(it["status"], it["retry_after"]) for it in batch.json()], [(503, 1)] * 4)


class TestSilentEnd(unittest.TestCase):
    def test_an_effect_that_was_rolled_back_in_silence_is_never_200(self) -> None:
        from databases import WAYS

        for way in WAYS[:4]:
            hooks = Hooks()
            running = Service.start(app(handlers(way, kit.app_url, hooks), batch=MOST))
            self.addCleanup(running.stop)
            calls = []
            for event in ("coin_thrown", "coin_shared", "coin_shared"):
                coin = uuid4()
                calls.append(kit.attempt(f"other.event.{event}.v1", {"coin_id": str(coin), "value": 1}))

                def roll_back() -> None:
                    raise psycopg.Rollback

                hooks.inside[coin] = roll_back
            self.assertEqual(running.handle(calls[0]).status, 500)
            self.assertEqual([it["status"] for it in running.handle_batch(calls).json()], [500] * 3)
            self.assertEqual({kit.inbox(call)["state"] for call in calls}, {"running"})


def load_tests(loader: Any, tests: Any, _pattern: Any) -> Any:
    suite = for_each_way(loader, [Single, Asked, Batch, Meddling, Emits, Health, CutOff], __name__)
    suite.addTests(loader.loadTestsFromTestCase(TestSilentEnd))
    return suite


if __name__ == "__main__":
    unittest.main()
