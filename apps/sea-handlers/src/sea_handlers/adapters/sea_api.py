"""Asking sea-api for a judgement."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from sea_mq import Retry

from sea_handlers.domain.governance import Judgement

TIMEOUT_SECS = 5
LARGEST_ANSWER_BYTES = 1024 * 1024
_PATH = "/v1/governance/evaluations"


class SeaApi:
    """sea-api at a base address such as ``http://127.0.0.1:8001``."""

    def __init__(self, base_url: str) -> None:
        """Raises ValueError when the address is none."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be http://HOST:PORT or https://HOST:PORT")
        secure = parts.scheme == "https"
        self._connection = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + _PATH

    def judge(self, facts: dict[str, Any]) -> Judgement:
        """What the policies say about these facts.

        Raises:
            Retry: sea-api cannot be reached, or does not answer with a judgement. Never poison: the event is
                sound, and a mended sea-api will judge it.
        """
        try:
            status, body = self._ask(json.dumps({"facts": facts}).encode())
        except (OSError, http.client.HTTPException) as error:
            raise Retry(f"sea-api cannot be reached ({type(error).__name__}); check SEA_API_URL") from None
        if status != 200:
            raise Retry(_refusal(status, body))
        try:
            return Judgement.model_validate_json(body)
        except ValidationError:
            raise Retry("sea-api answered 200 with something that is no judgement") from None

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        connection = self._connection(self._host, self._port, timeout=TIMEOUT_SECS)
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            connection.request("POST", self._path, body, headers)
            answer = connection.getresponse()
            # One byte too many is no JSON any more: said by the one who reads it.
            return answer.status, answer.read(LARGEST_ANSWER_BYTES)
        finally:
            connection.close()


def _refusal(status: int, body: bytes) -> str:
    if status >= 500:
        return f"sea-api failed (HTTP {status}); see its log"
    return f"sea-api refused the question (HTTP {status}{_problem(body)}); does it fit this release of sea-handlers?"


def _problem(body: bytes) -> str:
    """The kind of problem that was said, never its details: they may quote the facts."""
    try:
        kind = json.loads(body)["type"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f", {kind[:100]}" if isinstance(kind, str) and kind.isprintable() else ""
