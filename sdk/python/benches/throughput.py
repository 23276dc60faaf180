#!/usr/bin/env python3
"""Events a second through a handler with one INSERT: one by one, and in batches in each mode.

    .venv/bin/python3 sdk/python/benches/throughput.py [--events 4000] [--over psycopg asyncpg]

Postgres, the service under uvicorn (one process) and the caller share this machine. Each event is logged to a file.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

SOURCE = Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SOURCE))

from pydantic import BaseModel  # noqa: E402

from sea_mq import AsyncTransaction, Event, Handlers, Transaction  # noqa: E402
from sea_mq.database import Database  # noqa: E402

TABLES = "CREATE TABLE coins (coin_id text NOT NULL, value integer NOT NULL);"
INSERT = "INSERT INTO coins (coin_id, value) VALUES (%s, %s)"
KINDS = {
    "ignored": "coin_ignored",
    "one by one": "coin_each",
    "each": "coin_each",
    "together": "coin_together",
    "many": "coin_many",
}
CALLS_AT_ONCE, BATCHES_AT_ONCE = 25, 4

RECORD = """
    INSERT INTO inbox_messages (message_id, consumer, subject, event_type, event_version, attempts, fence,
                                stream, stream_created_at, stream_seq, headers, body, state, lane)
    SELECT gen_random_uuid(), 'kit__from_other', 'other.event.' || %s || '.v1', %s, 1, 1, 1,
           'OTHER_EVENTS', now(), n, '[]', '{}', 'running', 0
    FROM generate_series(1, %s) AS n
    RETURNING message_id::text
"""


class Coin(BaseModel):
    coin_id: str
    value: int


def app() -> Any:
    """The service, from the environment."""
    from fastapi import FastAPI

    from sea_mq.fastapi import lifespan, router

    handlers = MAKE[os.environ["OVER"]](os.environ["DB_URL"])
    made = FastAPI(lifespan=lifespan(handlers))
    made.include_router(router(handlers, batch=1000))
    return made


def over_psycopg(url: str) -> Handlers[Any, Any]:
    from psycopg import Connection

    from sea_mq.psycopg import Psycopg, connection_pool

    handlers: Handlers[Any, Any] = Handlers(Psycopg(connection_pool(url)))

    def one(tx: Transaction[Connection], event: Event[Coin]) -> None:
        tx.connection.execute(INSERT, (event.payload.coin_id, event.payload.value))

    def many(tx: Transaction[Connection], events: list[Event[Coin]]) -> None:
        columns = [it.payload.coin_id for it in events], [it.payload.value for it in events]
        tx.connection.execute("INSERT INTO coins SELECT * FROM unnest(%s::text[], %s::integer[])", columns)

    return registered(handlers, one, many)


def over_asyncpg(url: str) -> Handlers[Any, Any]:
    from sea_mq.asyncpg import Asyncpg, connection_pool

    return awaited(Asyncpg(connection_pool(url)))


def awaited(database: Database[Any, Any]) -> Handlers[Any, Any]:
    handlers: Handlers[Any, Any] = Handlers(database)

    async def one(tx: AsyncTransaction[Any], event: Event[Coin]) -> None:
        insert = "INSERT INTO coins (coin_id, value) VALUES ($1, $2)"
        await tx.connection.execute(insert, event.payload.coin_id, event.payload.value)

    async def many(tx: AsyncTransaction[Any], events: list[Event[Coin]]) -> None:
        columns = [it.payload.coin_id for it in events], [it.payload.value for it in events]
        await tx.connection.execute("INSERT INTO coins SELECT * FROM unnest($1::text[], $2::integer[])", *columns)

    return registered(handlers, one, many)


def registered(handlers: Handlers[Any, Any], one: Any, many: Any) -> Handlers[Any, Any]:
    handlers.ignore("coin_ignored", 1)
    handlers.on("coin_each", 1)(one)
    handlers.on("coin_together", 1, transaction="together")(one)
    handlers.on_many("coin_many", 1)(many)
    return handlers


MAKE = {"psycopg": over_psycopg, "asyncpg": over_asyncpg}


def bodies(kit: Any, mode: str, events: int, size: int) -> list[tuple[str, bytes]]:
    """Path and body of each request, for events that are recorded and started."""
    kind = KINDS[mode]
    calls = [
        {
            "message_id": row["message_id"],
            "subject": f"other.event.{kind}.v1",
            "event_type": kind,
            "event_version": 1,
            "occurred_at": "2026-05-04T09:00:27.445Z",
            "correlation_id": row["message_id"],
            "causation_id": None,
            "aggregate_type": "coin",
            "aggregate_id": row["message_id"],
            "consumer": "kit__from_other",
            "attempt": 1,
            "fence": 1,
            "traceparent": None,
            "payload": {"coin_id": str(uuid4()), "value": 5, "note": "x" * 300},
        }
        for row in kit.rows(RECORD, kind, kind, events)
    ]
    if mode in ("ignored", "one by one"):
        return [("/handle", json.dumps(call).encode()) for call in calls]
    return [("/handle/batch", json.dumps(calls[at : at + size]).encode()) for at in range(0, events, size)]


async def send(port: int, requests: list[tuple[str, bytes]], at_once: int) -> None:
    """Over as many kept connections; anything but 200 ends the program."""
    left = list(reversed(requests))

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while left:
            path, body = left.pop()
            head = f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            said = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            answer = await reader.readexactly(int(said.partition("content-length:")[2].partition("\r\n")[0]))
            statuses = [it["status"] for it in json.loads(answer)] if path.endswith("batch") else []
            if " 200 " not in said or any(status != 200 for status in statuses):
                raise SystemExit(f"{path}: {said} {answer!r}")
        writer.close()

    await asyncio.gather(*(worker() for _ in range(at_once)))


def measure(kit: Any, over: str, events: int, size: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-c", f"from sea_mq.serve import serve; serve('throughput:app', {port})"],
            env={**os.environ, "OVER": over, "DB_URL": kit.app_url, "LOG_FORMAT": "json", "LISTEN": "",
                 "PYTHONPATH": os.pathsep.join([str(SOURCE), str(Path(__file__).parent)])},
            stdout=log,
        )  # fmt: skip
        try:
            wait(port)
            for mode in KINDS:
                at_once = CALLS_AT_ONCE if mode in ("ignored", "one by one") else BATCHES_AT_ONCE
                asyncio.run(send(port, bodies(kit, mode, 500, size), at_once))
                requests = bodies(kit, mode, events if mode in ("ignored", "one by one") else events * 3, size)
                count = events if mode in ("ignored", "one by one") else events * 3
                kit.admin.execute("CHECKPOINT")
                started, used = time.perf_counter(), cpu_secs(process.pid)
                asyncio.run(send(port, requests, at_once))
                took, used = time.perf_counter() - started, cpu_secs(process.pid) - used
                per_event = used / count * 1e6
                print(f"{over:10} {mode:12} {count / took:8.0f} events/s {per_event:8.0f} us CPU an event", flush=True)
        finally:
            process.terminate()
            process.wait()


def cpu_secs(pid: int) -> float:
    """Of the service, without Postgres and the caller."""
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def wait(port: int) -> None:
    """Until it listens."""
    until = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4000, help="one by one; three times as many in batches")
    parser.add_argument("--batch", type=int, default=100, help="events a batch")
    parser.add_argument("--over", nargs="*", choices=MAKE, default=list(MAKE))
    given = parser.parse_args()
    from sea_mq.testing import Context, Server

    server = Server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "0001_coins.sql").write_text(TABLES)
            kit = Context.provision(server, "kit", Path(folder))
        for over in given.over:
            measure(kit, over, given.events, given.batch)
        kit.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
