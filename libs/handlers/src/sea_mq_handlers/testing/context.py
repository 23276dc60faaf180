"""A context's database, and the worker's side of its inbox."""

import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row

from sea_mq_handlers.testing.server import Server, program

_STREAM_MADE = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Context:
    """A provisioned context with its own tables."""

    def __init__(self, server: Server, name: str, password: str) -> None:
        self.name = name
        self._server = server
        self._password = password
        # The superuser: sees everything, and plays the worker.
        self.admin = psycopg.connect(self._url(None), autocommit=True, row_factory=dict_row)

    @classmethod
    def provision(cls, server: Server, name: str, migrations: Path, before: str = "") -> "Context":
        """Makes database, roles and walls with `sea-mq db provision`, then the context's own tables as its owner.

        These are the ``*.sql`` of the folder in their order, after ``before``: what else the context's own migration
        program has made when it runs the first of them, such as its ledger.
        """
        password = uuid4().hex
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write(password)
            secret.flush()
            roles = [f"--{role}-password-file={secret.name}" for role in ("app", "worker", "migrator")]
            command = [program("sea-mq"), "db", "provision", f"--context={name}", f"--admin-url={server.admin_url}"]
            subprocess.run([*command, *roles], check=True, stdout=subprocess.DEVNULL)
        files = sorted(migrations.glob("*.sql"))
        if not files:
            raise FileNotFoundError(f"no migrations in {migrations}")
        context = cls(server, name, password)
        context._migrate([before, *(file.read_text() for file in files)])
        return context

    @property
    def app_url(self) -> str:
        """Where the context's application role connects."""
        return self._url("app")

    def close(self) -> None:
        """Drops the superuser's connection."""
        self.admin.close()

    def _url(self, role: str | None) -> str:
        parts = urlsplit(self._server.admin_url)
        place = parts.netloc.rpartition("@")[2]
        netloc = f"{self.name}_{role}:{self._password}@{place}" if role else parts.netloc
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{self.name}_db"))

    def _migrate(self, scripts: list[str]) -> None:
        with psycopg.connect(self._url("migrator"), autocommit=True) as migrator:
            migrator.execute(f"SET ROLE {self.name}_owner")
            for script in scripts:
                with migrator.transaction():
                    migrator.execute(script)

    def attempt(self, subject: str, payload: Any) -> dict[str, Any]:
        """Records a new event and starts its first attempt: the call that the worker would make."""
        source, _, event_type, version = subject.split(".")
        call = {
            "message_id": str(uuid4()),
            "subject": subject,
            "event_type": event_type,
            "event_version": int(version[1:]),
            "occurred_at": "2026-05-04T09:00:27.445Z",
            "correlation_id": str(uuid4()),
            "causation_id": None,
            "aggregate_type": None,
            "aggregate_id": None,
            "consumer": f"{self.name}__from_{source}",
            "payload": payload,
        }
        origin = {"stream": f"{source.upper()}_EVENTS", "made": _STREAM_MADE}
        return {**call, **self.admin.execute(_START, {**call, **origin}).fetchone()}

    def inbox(self, call: dict[str, Any]) -> dict[str, Any]:
        """The inbox row of a call."""
        where = (call["message_id"], call["consumer"])
        return self.admin.execute(
            "SELECT state, attempts, fence FROM inbox_messages WHERE message_id = %s AND consumer = %s", where
        ).fetchone()

    def emitted(self, call: dict[str, Any]) -> list[dict[str, Any]]:
        """The events that a call has caused, in order."""
        return self.rows("SELECT * FROM outbox_events WHERE causation_id = %s ORDER BY seq", call["message_id"])

    def rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """What a statement finds, as the superuser."""
        return self.admin.execute(statement, parameters).fetchall()

    def attempt_again(self, call: dict[str, Any]) -> dict[str, Any]:
        """Another attempt at the same event: what was started before is outdated."""
        row = self.admin.execute(_START_AGAIN, (call["message_id"], call["consumer"])).fetchone()
        return {**call, **row}


_START = """
    INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, attempts, fence,
                                stream, stream_created_at, stream_seq, headers, body, state, lane)
    VALUES (%(message_id)s, %(consumer)s, %(subject)s, %(event_type)s, %(event_version)s, 1, 1,
            %(stream)s, %(made)s, 1, '[]', '{}', 'running', 0)
    RETURNING attempts AS attempt, fence
"""

_START_AGAIN = """
    UPDATE inbox_messages
    SET state = 'running', attempts = attempts + 1, fence = fence + 1, processed_at = NULL, headers = '[]', body = '{}'
    WHERE message_id = %s AND consumer = %s
    RETURNING attempts AS attempt, fence
"""
