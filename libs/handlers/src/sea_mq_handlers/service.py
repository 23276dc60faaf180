"""The HTTP service around a context's reactions."""

from collections.abc import Sequence
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI, Request, Response
from psycopg_pool import ConnectionPool, PoolTimeout
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from sea_mq_handlers.answer import Answer, says
from sea_mq_handlers.event import Event, traceparent
from sea_mq_handlers.handle import handle
from sea_mq_handlers.log import log
from sea_mq_handlers.reaction import Reactions

# The broker takes events of 1 MiB by default, and as JSON the call says a little more.
LARGEST_CALL_BYTES = 16 * 1024 * 1024
POOL_SIZE = 16
POOL_WAIT_SECS = 5
READY_WAIT_SECS = 2
# The pool's own attempts back off; after this long the next call starts anew, so that a database which comes back is
# found within seconds.
RECONNECT_SECS = 4
# A server that is gone without a word is noticed before the worker gives the call up.
_CONNECTION = {
    "connect_timeout": POOL_WAIT_SECS,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def service(title: str, db_url: str, reactions: Reactions, needs: Sequence[str]) -> FastAPI:
    """``POST /handle``, ``GET /health/live`` and ``GET /health/ready``.

    ``db_url`` is the context's database as its application role; ``needs`` names the tables, or as ``table.column``
    the columns, without which no reaction can run. The service starts without its database, and is ready once that
    is there.
    """
    pool = ConnectionPool(
        db_url,
        min_size=2,
        max_size=POOL_SIZE,
        timeout=POOL_WAIT_SECS,
        reconnect_timeout=RECONNECT_SECS,
        kwargs={"autocommit": True, "application_name": title, **_CONNECTION},
        open=False,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI):
        pool.open()
        reacts_to = [f"{name} v{version}" for (name, version), reaction in reactions.items() if reaction]
        log.info("reacts to %s", ", ".join(reacts_to))
        yield
        await run_in_threadpool(pool.close)

    app = FastAPI(title=title, lifespan=lifespan)
    app.add_api_route("/handle", _post_event(pool, reactions), methods=["POST"], response_model=None)
    app.add_api_route("/health/live", _live, methods=["GET"])
    app.add_api_route("/health/ready", _ready(pool, needs), methods=["GET"], response_model=None)
    return app


def _post_event(pool: ConnectionPool, reactions: Reactions):
    async def post_event(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _response(Answer(413, f"a call has at most {LARGEST_CALL_BYTES} bytes"))
        try:
            event = Event.model_validate_json(body)
        except ValidationError as error:
            # Not 422: what is wrong is the call, and a dead letter would blame the event.
            return _response(Answer(400, f"this is no call of a worker: {says(error)}"))
        trace = traceparent(request.headers.get("traceparent"))
        return _response(await run_in_threadpool(handle, pool, reactions, event, trace))

    return post_event


async def _body(request: Request) -> bytes | None:
    """The whole body, or nothing when it is too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_CALL_BYTES:
            return None
    return bytes(body)


def _response(answer: Answer) -> Response:
    headers = {} if answer.retry_after_secs is None else {"Retry-After": str(answer.retry_after_secs)}
    return Response(answer.why, answer.status, headers, media_type="text/plain")


async def _live() -> dict[str, str]:
    return {"status": "live"}


def _ready(pool: ConnectionPool, needs: Sequence[str]):
    def ready(response: Response) -> dict[str, str]:
        why = _why_not_ready(pool, needs)
        if why is None:
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "not ready", "why": why}

    return ready


def _why_not_ready(pool: ConnectionPool, needs: Sequence[str]) -> str | None:
    try:
        with pool.connection(timeout=READY_WAIT_SECS) as connection:
            missing = _missing(connection, needs)
    except (PoolTimeout, psycopg.OperationalError):
        return "the database cannot be reached; check DB_URL and see the log"
    except psycopg.Error as error:
        return f"sea-mq's functions cannot be called (SQLSTATE {error.sqlstate}); run `sea-mq db provision`"
    return f"there is no {', '.join(missing)}; run the context's migrations" if missing else None


def _missing(connection: psycopg.Connection, needs: Sequence[str]) -> list[str]:
    connection.execute("SELECT inbox_begin(gen_random_uuid(), '', 0)")
    return [name for (name,) in connection.execute(_MISSING, (list(needs),))]


_MISSING = """
    SELECT need FROM unnest(%s::text[]) AS need
    CROSS JOIN LATERAL (SELECT split_part(need, '.', 1) AS of_table, split_part(need, '.', 2) AS of_column) AS part
    WHERE to_regclass(of_table) IS NULL
       OR of_column <> '' AND NOT EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = to_regclass(of_table) AND attname = of_column AND NOT attisdropped)
    ORDER BY need
"""
