"""The routes by which a worker calls.

app = FastAPI(lifespan=lifespan(handlers))
app.include_router(router(handlers, batch=100, secrets=[...], ready=["vibe_views"]))
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sea_mq import inbox
from sea_mq.answer import Answer
from sea_mq.database import Unreachable, in_one_go
from sea_mq.engine import run
from sea_mq.event import Call
from sea_mq.handlers import Handlers
from sea_mq.log import about_failure, log
from sea_mq.signature import keys, why_refused
from sea_mq.wire import (
    LARGEST_BATCH_BYTES,
    LARGEST_CALL_BYTES,
    NoCall,
    capabilities,
    read_batch,
    read_call,
    written,
)

__all__ = ["lifespan", "router"]

V = TypeVar("V")

# Whoever asks for readiness waits a short time only.
READY_WAIT_SECS = 2.0

Endpoint = Callable[[Request], Awaitable[Response]]


def lifespan(handlers: Handlers[Any, Any]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Opens the handlers' database with the application, and closes it. Leave it out for a pool that you open."""

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        await handlers.database.open()
        known = [f"{name} v{version}" for (name, version), it in handlers.registrations.items() if it]
        log.info("handles %s", ", ".join(known) or "nothing")
        yield
        await _run(handlers, handlers.database.close)

    return running


def router(
    handlers: Handlers[Any, Any],
    *,
    path: str = "/handle",
    batch: int | None = None,
    secrets: Sequence[str] = (),
    ready: Sequence[str] = (),
) -> APIRouter:
    """``POST /handle``, ``POST /handle/batch``, ``GET /handle/capabilities`` and ``GET /health/live`` and ``ready``.

    ``path`` is that of the worker's HANDLER_URL. ``batch`` is how many events it may send at once; without it there
    are no batches. With ``secrets`` (``whsec_…``, see :func:`sea_mq.signature.secrets_from`) whatever is not signed
    by one of them is refused with 401. ``ready`` names the tables, or as ``table.column`` the columns, without which
    no handler can run.

    Raises:
        ValueError: a secret is none, or ``batch`` or ``path`` makes no sense.
    """
    if batch is not None and batch < 1:
        raise ValueError(f"batch={batch}: write how many events may come at once, or leave it out")
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError(f"path={path!r}: write it as '/handle'")
    known = keys(secrets)
    routes = APIRouter()
    # Plain routes: what FastAPI would do for their parameters, they do themselves.
    routes.add_route(path, _signed(known, LARGEST_CALL_BYTES, _handle(handlers)), methods=["POST"])
    if batch is not None:
        many = _signed(known, LARGEST_BATCH_BYTES, _handle_batch(handlers, batch))
        routes.add_route(f"{path}/batch", many, methods=["POST"])
    told = capabilities(handlers, batch)
    routes.add_route(f"{path}/capabilities", _signed(known, 0, lambda *_: _json(told)), methods=["GET"])
    routes.add_route("/health/live", _live, methods=["GET"])
    routes.add_route("/health/ready", _ready(handlers, ready), methods=["GET"])
    return routes


def _signed(known: list[bytes], most: int, then: Callable[[Request, bytes], Awaitable[Response]]) -> Endpoint:
    """Reads the body and refuses who is not known, before anything looks at it."""

    async def endpoint(request: Request) -> Response:
        body = await _body(request, most)
        if body is None:
            return _response(Answer(413, f"a request has at most {most} bytes here"))
        if known and (why := why_refused(known, request.headers, body, time.time())):
            log.warning("a request was refused", extra={"fields": {"path": request.url.path, "why": why}})
            return _response(Answer(401, why))
        return await then(request, body)

    return endpoint


def _handle(handlers: Handlers[Any, Any]) -> Callable[[Request, bytes], Awaitable[Response]]:
    async def handle(request: Request, body: bytes) -> Response:
        try:
            call = read_call(body, request.headers.get("traceparent"))
        except NoCall as error:
            # Not 422: what is wrong is the call, and a dead letter would blame the event.
            return _response(Answer(400, str(error)))
        (answer,) = await _answers(handlers, [call], batch=False)
        return _response(answer)

    return handle


def _handle_batch(handlers: Handlers[Any, Any], most: int) -> Callable[[Request, bytes], Awaitable[Response]]:
    async def handle_batch(_request: Request, body: bytes) -> Response:
        try:
            calls = read_batch(body, most)
        except NoCall as error:
            return _response(Answer(400, str(error)))
        answers = await _answers(handlers, calls, batch=True)
        return Response(written(answers), media_type="application/json")

    return handle_batch


async def _answers(handlers: Handlers[Any, Any], calls: Sequence[Call], batch: bool) -> list[Answer]:
    return await _run(handlers, lambda: run(handlers, calls, batch=batch))


async def _run(handlers: Handlers[Any, Any], work: Callable[[], Coroutine[Any, Any, V]]) -> V:
    """In a thread when the database blocks."""
    if handlers.database.blocking:
        return await run_in_threadpool(lambda: in_one_go(work()))
    return await work()


async def _body(request: Request, most: int) -> bytes | None:
    """The whole body, or nothing when it is too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            return None
    return bytes(body)


def _response(answer: Answer) -> Response:
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    return Response(answer.why, answer.status, headers, media_type="text/plain")


async def _json(told: dict[str, Any]) -> Response:
    return JSONResponse(told)


async def _live(_request: Request) -> Response:
    return JSONResponse({"status": "live"})


def _ready(handlers: Handlers[Any, Any], needs: Sequence[str]) -> Endpoint:
    async def ready(_request: Request) -> Response:
        why = await _run(handlers, lambda: _why_not_ready(handlers, needs))
        if why is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "why": why}, 503)

    return ready


async def _why_not_ready(handlers: Handlers[Any, Any], needs: Sequence[str]) -> str | None:
    database = handlers.database
    try:
        async with database.connection(READY_WAIT_SECS) as connection:
            absent = await inbox.missing(database, connection, needs)
    except Unreachable:
        return "the database cannot be reached; check its address and see the log"
    except Exception as error:
        problem = database.problem(error)
        if problem is None or problem.lost:
            log.warning("not ready", extra={"fields": about_failure(error, problem)})
            return "the database cannot be reached; check its address and see the log"
        return f"sea-mq's functions cannot be called (SQLSTATE {problem.sqlstate}); run `sea-mq db provision`"
    return f"there is no {', '.join(absent)}; run the context's migrations" if absent else None
