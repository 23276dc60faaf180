"""What a worker finds besides the events' answers: capabilities, bounds, signatures. Psycopg stands for all."""

import json
import logging
import time
import unittest
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from coins import Hooks, handlers, provisioned
from databases import WAYS
from fastapi import FastAPI
from test_signature import secret

import sea_mq.fastapi
from sea_mq import wire
from sea_mq.fastapi import lifespan, router
from sea_mq.testing import Server, Service, signed


def setUpModule() -> None:
    global kit
    logging.getLogger("sea_mq").setLevel(logging.CRITICAL)
    server = Server.start()
    unittest.addModuleCleanup(server.stop)
    kit = provisioned(server)
    unittest.addModuleCleanup(kit.close)


class Http(unittest.TestCase):
    def start(self, **options: Any) -> Service:
        found = handlers(WAYS[0], kit.app_url, Hooks())
        app = FastAPI(lifespan=lifespan(found))
        app.include_router(router(found, **options))
        running = Service.start(app)
        self.addCleanup(running.stop)
        return running

    def call(self) -> dict[str, Any]:
        return kit.attempt("other.event.coin_thrown.v1", {"coin_id": str(uuid4()), "value": 5})


class TestCapabilities(Http):
    def test_batches_are_opt_in(self) -> None:
        without = self.start()
        told = without.request("GET", "/handle/capabilities").json()
        self.assertEqual((told["contract"], told["batch"]), (1, None))
        self.assertIn({"event_type": "coin_thrown", "event_version": 1}, told["events"])
        # What is ignored is no reaction.
        self.assertEqual(len(told["events"]), 5)
        self.assertEqual(without.handle_batch([self.call()]).status, 404)
        told = self.start(batch=7).request("GET", "/handle/capabilities").json()
        self.assertEqual(told["batch"], {"max_events": 7})

    def test_another_path(self) -> None:
        running = self.start(path="/events/in", batch=2)
        call = self.call()
        self.assertEqual(running.request("POST", "/events/in", json.dumps(call).encode()).status, 200)
        self.assertEqual(running.request("POST", "/events/in/batch", json.dumps([call]).encode()).status, 200)
        self.assertEqual(running.request("GET", "/events/in/capabilities").status, 200)
        self.assertEqual(running.handle(call).status, 404)

    def test_options_that_make_no_sense_are_refused(self) -> None:
        found = handlers(WAYS[0], kit.app_url, Hooks())
        for options in ({"batch": 0}, {"path": "handle"}, {"path": "/"}, {"secrets": ["x"]}):
            with self.assertRaises(ValueError):
                router(found, **options)


class TestBounds(Http):
    def test_a_call_that_is_none_is_400(self) -> None:
        running = self.start()
        for body in (b"", b"{", b"[]", b'{"message_id": "secret"}', b"\xff"):
            answer = running.request("POST", "/handle", body)
            self.assertEqual((answer.status, "secret" in answer.text), (400, False), body)

    def test_a_batch_that_is_none_or_too_long_is_400(self) -> None:
        running, call = self.start(batch=2), self.call()
        for body in (b"", b"{", b"{}", b"[]", b'["secret"]', json.dumps([call, {}]).encode()):
            answer = running.request("POST", "/handle/batch", body)
            self.assertEqual((answer.status, "secret" in answer.text), (400, False), body)
        self.assertEqual(running.handle_batch([call] * 3).status, 400)
        self.assertEqual(kit.inbox(call)["state"], "running")

    def test_too_many_bytes_are_413(self) -> None:
        with patch.object(sea_mq.fastapi, "LARGEST_BATCH_BYTES", 10_000):
            running = self.start(batch=2)
        self.assertEqual(running.request("POST", "/handle", b" " * (wire.LARGEST_CALL_BYTES + 1)).status, 413)
        self.assertEqual(running.request("POST", "/handle/batch", b" " * 10_000).status, 400)
        self.assertEqual(running.request("POST", "/handle/batch", b" " * 10_001).status, 413)
        self.assertEqual(wire.LARGEST_BATCH_BYTES, 64 * 1024 * 1024)


class TestSigned(Http):
    def test_who_does_not_sign_is_401_and_health_is_open(self) -> None:
        running = self.start(batch=2, secrets=[secret(1), secret(2)])
        call = self.call()
        one, many = json.dumps(call).encode(), json.dumps([call]).encode()
        asked = [("POST", "/handle", one), ("POST", "/handle/batch", many), ("GET", "/handle/capabilities", b"")]
        for method, path, body in [*asked, ("POST", "/handle", b"{")]:
            for headers in (
                {},
                signed(secret(3), body),
                signed(secret(1), body + b" "),
                signed(secret(1), body, at=time.time() - 400),
            ):
                self.assertEqual(running.request(method, path, body, **headers).status, 401, path)
        self.assertEqual(kit.inbox(call)["state"], "running")
        for method, path, body in asked:
            self.assertEqual(running.request(method, path, body, **signed(secret(2), body)).status, 200, path)
        self.assertEqual(running.request("POST", "/handle", b"{", **signed(secret(2), b"{")).status, 400)
        for path in ("/health/live", "/health/ready"):
            self.assertEqual(running.request("GET", path).status, 200)


if __name__ == "__main__":
    unittest.main()
