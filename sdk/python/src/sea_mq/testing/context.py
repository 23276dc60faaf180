"""A context's database, made for a test."""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from pydantic import BaseModel

from sea_mq.testing.inbox import Call, Inbox
from sea_mq.testing.server import Server, program


class Context:
    """A provisioned context with its own tables."""

    def __init__(self, server: Server, name: str, password: str) -> None:
        self.name = name
        self._server = server
        self._password = password
        self._inbox = Inbox(self._url(None))
        # The superuser's: sees everything, and plays the worker.
        self.admin = self._inbox.connection

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
            command = [
                str(program("sea-mq")),
                "db",
                "provision",
                f"--context={name}",
                f"--admin-url={server.admin_url}",
            ]
            subprocess.run([*command, *roles], check=True, stdout=subprocess.DEVNULL)
        files = sorted(migrations.glob("*.sql"))
        if not files:
            raise FileNotFoundError(f"no migrations in {migrations}")
        context = cls(server, name, password)
        context._migrate([before, *(file.read_text() for file in files)])
        return context

    @property
    def app_url(self) -> str:
        """Where the context's application role connects: the handlers' database."""
        return self._url("app")

    @property
    def worker_url(self) -> str:
        """Where its worker connects: for :class:`~sea_mq.testing.Calls`."""
        return self._url("worker")

    def close(self) -> None:
        """Drops the superuser's connection."""
        self._inbox.close()

    def _url(self, role: str | None) -> str:
        parts = urlsplit(self._server.admin_url)
        place = parts.netloc.rpartition("@")[2]
        netloc = f"{self.name}_{role}:{self._password}@{place}" if role else parts.netloc
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{self.name}_db"))

    def _migrate(self, scripts: list[str]) -> None:
        with psycopg.connect(self._url("migrator"), autocommit=True) as migrator:
            migrator.execute(f"SET ROLE {self.name}_owner".encode())
            for script in scripts:
                with migrator.transaction():
                    migrator.execute(script.encode())

    def attempt(
        self, subject: str, payload: Mapping[str, Any] | BaseModel, *, aggregate: tuple[str, str] | None = None
    ) -> Call:
        """Records a new event and starts its first attempt: the call that the worker would make."""
        return self._inbox.attempt(f"{self.name}__from_{subject.partition('.')[0]}", subject, payload, aggregate)

    def attempt_again(self, call: Call) -> Call:
        """Another attempt at the same event: what was started before is outdated."""
        return self._inbox.attempt_again(call)

    def inbox(self, call: Call) -> dict[str, Any]:
        """State, attempts and fence in the inbox row of a call."""
        return self._inbox.row(call)

    def emitted(self, call: Call) -> list[dict[str, Any]]:
        """The rows of the events that a call has caused, in order."""
        return self.rows("SELECT * FROM outbox_events WHERE causation_id = %s ORDER BY seq", call["message_id"])

    def rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """What a statement finds, as the superuser."""
        return self.admin.execute(statement.encode(), parameters).fetchall()
