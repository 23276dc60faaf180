"""`python -m sea_handlers` as it is started, and what it writes."""

import json
import os
import re
import signal
import subprocess
import sys
import unittest
from http.client import HTTPConnection
from uuid import uuid4

import sources

START_SECS = 30


class TestProcess(unittest.TestCase):
    def start(self, **environment: str) -> subprocess.Popen:
        # No database: it starts without.
        settings = {
            "DB_URL": "postgres://nobody:secret@127.0.0.1:1/none",
            "SEA_API_URL": "http://127.0.0.1:1",
            "LISTEN": "127.0.0.1:0",
            "PYTHONPATH": os.pathsep.join(sys.path[:2]),
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "sea_handlers"],
            cwd=sources.ROOT,
            env={**os.environ, **settings, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def port(self, process: subprocess.Popen, said: list[str]) -> int:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                return int(found[1])
        self.fail("".join(said))

    def test_it_serves_says_what_happened_without_payloads_and_ends_in_order(self) -> None:
        process, said = self.start(LOG_FORMAT="json"), []
        connection = HTTPConnection("127.0.0.1", self.port(process, said), timeout=START_SECS)
        call = {
            "message_id": str(uuid4()), "subject": "vibespro.event.vibe_created.v1", "event_type": "vibe_created",
            "event_version": 1, "correlation_id": str(uuid4()), "consumer": "sea__from_vibespro", "attempt": 3,
            "fence": 3, "payload": {"title": "a private title", "revision": "a private revision"},
        }  # fmt: skip
        connection.request("POST", "/handle", json.dumps(call))
        self.assertEqual(connection.getresponse().status, 422)
        connection.close()
        process.send_signal(signal.SIGTERM)
        said += process.communicate(timeout=START_SECS)[0].splitlines(keepends=True)
        self.assertIn(process.returncode, (0, -signal.SIGTERM))
        self.assertNotRegex("".join(said), "private|secret")
        (line,) = [line for line in map(json.loads, said) if line.get("message_id") == call["message_id"]]
        for name in ("correlation_id", "consumer", "attempt", "event_type"):
            self.assertEqual(line[name], call[name])
        self.assertEqual((line["status"], line["level"]), (422, "WARNING"))

    def test_bad_settings_end_it_with_64(self) -> None:
        for environment in ({"DB_URL": ""}, {"SEA_API_URL": "nowhere"}, {"LISTEN": "7001"}):
            process = self.start(**environment)
            said, _ = process.communicate(timeout=START_SECS)
            self.assertEqual(process.returncode, 64, said)
            self.assertIn(next(iter(environment)), said)


if __name__ == "__main__":
    unittest.main()
