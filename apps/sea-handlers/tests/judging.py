"""Stands in for sea-api: a real server that answers as it is told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def judgement(outcome: str, **failed: str) -> dict[str, Any]:
    """What sea-api answers: two policies, of which some failed with a message."""
    policies = [
        {"name": name, "version": 3, "passed": name not in failed, "message": failed.get(name)}
        for name in ("described", "minimum_score")
    ]
    return {"outcome": outcome, "policies": policies, "evaluated_at": "2026-05-04T09:00:28.5Z"}


class SeaApi:
    """Answers every question with ``status`` and ``answer``; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status, self.answer = 200, b""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.asked.append({"path": self.path, **question})
                self.send_response(api.status)
                self.send_header("Content-Length", str(len(api.answer)))
                self.end_headers()
                self.wfile.write(api.answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def says(self, answer: Any, status: int = 200) -> None:
        """From now on; forgets what it was asked."""
        self.asked.clear()
        self.status, self.answer = status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
