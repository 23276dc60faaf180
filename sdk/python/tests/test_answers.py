"""Which answer follows from which failure, and what is written of it: tables, no servers."""

import json
import logging
import math
import unittest
from uuid import UUID

import sources  # noqa: F401 (first: it makes the rest importable)
from pydantic import BaseModel, Field, ValidationError

from sea_mq.answer import Answer, Problem, busy, not_handled, poison, refused, says, unmarked, verdict
from sea_mq.event import traceparent
from sea_mq.log import Line, about_failure


class Payload(BaseModel):
    vibe_id: UUID
    score: int = Field(ge=0, le=100)
    title: str = Field(max_length=5)


class TestAnswers(unittest.TestCase):
    def test_each_refusal_of_the_database(self) -> None:
        for sqlstate, status, slows_down in [
            ("MQ101", 500, False),  # of a handler's own statement, as the two next
            ("MQ102", 500, False),
            ("MQ103", 500, False),
            ("MQ104", 500, False),  # marked by the handler itself, and rolled back
            ("08006", 503, True),
            ("57P01", 503, True),
            ("53300", 503, True),
            ("40001", 503, False),
            ("40P01", 503, False),
            ("55P03", 503, False),
            ("57014", 503, False),
            ("23505", 500, False),
            ("42P01", 500, False),
            (None, 500, False),  # the library itself refused
        ]:
            answer = refused(Problem(sqlstate), attempt=1)
            self.assertEqual((answer.status, answer.retry_after is not None), (status, slows_down), sqlstate)
        self.assertEqual(refused(Problem(None, lost=True), attempt=3).retry_after, 4)

    def test_what_the_inbox_says_of_its_own_mark(self) -> None:
        for sqlstate, answer in [
            ("MQ101", Answer(503, "this attempt is outdated")),
            ("MQ102", Answer(503, "this attempt is unknown")),
            ("MQ103", Answer(409, "processed already")),
            ("MQ104", None),
            ("40001", None),
            (None, None),
        ]:
            self.assertEqual(unmarked(Problem(sqlstate)), answer, sqlstate)

    def test_an_attempt_that_is_not_the_current_one_is_never_409(self) -> None:
        statuses = {word: answer and answer.status for word in WORDS if (answer := verdict(word)) or True}
        self.assertEqual(statuses, {"run": None, "done": 409, "outdated": 503, "unknown": 503})

    def test_an_unknown_event_is_no_poison(self) -> None:
        self.assertEqual(not_handled("vibe_sold", 2).status, 404)

    def test_the_wait_grows_so_that_an_outage_does_not_use_the_attempts_up(self) -> None:
        waits = [busy("away", attempt).retry_after or 0 for attempt in range(1, 21)]
        self.assertEqual(waits[:5], [1, 2, 4, 8, 16])
        self.assertEqual((max(waits), waits[-1]), (900, 900))
        self.assertGreater(sum(waits), 2 * 3600)

    def test_a_wait_that_is_said_is_whole_seconds(self) -> None:
        for after, wait in [
            (0, 0),
            (0.1, 1),
            (2, 2),
            (-5, 0),
            (86_399.5, 86_400),
            (86_401, 86_400),
            (1e300, 86_400),
            (10**400, 86_400),
            (math.inf, 86_400),
            (-math.inf, 0),
            (math.nan, 86_400),
        ]:
            self.assertEqual(busy("away", 9, after).retry_after, wait, after)

    def test_a_text_that_is_too_long_is_cut_between_characters(self) -> None:
        for text, told in [
            ("a" * 800, "a" * 800),
            ("a" * 801, "a" * 800 + "…"),
            ("a" + "é" * 400, "a" + "é" * 399 + "…"),
            ("\ud800", "?"),
        ]:
            self.assertEqual([poison(text).why, busy(text, 1).why, busy(text, 1, 2).why], [told] * 3)

    def test_what_is_wrong_with_a_payload_is_said_without_its_values(self) -> None:
        with self.assertRaises(ValidationError) as caught:
            Payload.model_validate({"vibe_id": "Zsecret", "score": 31337, "title": "secret secret"})
        self.assertEqual(
            says(caught.exception),
            "vibe_id: uuid parsing; score: Input should be less than or equal to 100;"
            " title: String should have at most 5 characters",
        )
        with self.assertRaises(ValidationError) as caught:
            Payload.model_validate("secret")
        self.assertNotIn("secret", says(caught.exception))

    def test_only_a_traceparent_travels(self) -> None:
        whole = f"00-{'a' * 32}-{'b' * 16}-01"
        for header, kept in [(whole, whole), (None, None), ("", None), ("00-zz", None), (whole + "\n", None)]:
            self.assertEqual(traceparent(header), kept, header)


WORDS = ("run", "done", "outdated", "unknown")


class TestLines(unittest.TestCase):
    def line(self, as_json: bool) -> str:
        record = logging.LogRecord("sea_mq", 20, "x.py", 1, "two\nlines", (), None)
        record.fields = {"attempt": 2, "why": "two words"}
        return Line(as_json).format(record)

    def test_an_event_is_one_line(self) -> None:
        self.assertRegex(self.line(False), r'^\d{4}-\S+Z INFO two \| lines attempt=2 why="two words"$')
        self.assertEqual(json.loads(self.line(True))["attempt"], 2)
        self.assertNotIn("\n", self.line(True))

    def test_a_failure_is_told_without_its_words(self) -> None:
        try:
            {}["secret"]
        except KeyError as error:
            fields = about_failure(error)
        self.assertEqual(fields["error"], "KeyError")
        self.assertIn("test_answers.py:", fields["at"])
        self.assertNotIn("secret", str(fields))


if __name__ == "__main__":
    unittest.main()
