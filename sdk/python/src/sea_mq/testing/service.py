"""A handler service on a real socket."""

import json
import socket
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import uvicorn
from fastapi import FastAPI

from sea_mq.signature import keys, sign

CALL_SECS = 30


def signed(secret: str, body: bytes, message_id: str = "test", at: float | None = None) -> dict[str, str]:
    """The headers of a request that a worker with this secret signs, now or at a Unix time."""
    (key,), timestamp = keys([secret]), int(time.time() if at is None else at)
    signature = sign(key, message_id, timestamp, body)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


@dataclass(frozen=True)
class Answered:
    """What the worker would see."""

    status: int
    text: str
    retry_after: str | None

    def json(self) -> Any:
        """The body, of a batch's answer or of a health answer."""
        return json.loads(self.text)


class Service:
    """An application served in this process, on a free port of 127.0.0.1."""

    def __init__(self, server: uvicorn.Server, thread: threading.Thread, port: int) -> None:
        self._server = server
        self._thread = thread
        self.port = port

    @classmethod
    def start(cls, app: FastAPI) -> "Service":
        """Calls may be made at once: the socket listens, and they are answered once the application is up."""
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="service")
        thread.start()
        return cls(server, thread, listener.getsockname()[1])

    def stop(self) -> None:
        """Ends it in order."""
        self._server.should_exit = True
        self._thread.join()

    def handle(self, call: dict[str, Any], **headers: str) -> Answered:
        """Makes the worker's call."""
        return self.request("POST", "/handle", json.dumps(call).encode(), **headers)

    def handle_batch(self, calls: list[dict[str, Any]], **headers: str) -> Answered:
        """Makes the worker's call with a batch."""
        return self.request("POST", "/handle/batch", json.dumps(calls).encode(), **headers)

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answered:
        """Any request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=CALL_SECS)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return Answered(answer.status, answer.read().decode(), answer.headers.get("Retry-After"))
        finally:
            connection.close()
