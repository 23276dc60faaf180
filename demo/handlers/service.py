"""The HTTP service around a handler: POST /handle, GET /health/live, GET /health/ready."""

import logging
import os
import sys
import time
from contextlib import asynccontextmanager

import psycopg
from fastapi import FastAPI, Response
from joined import Effects, Event, handle
from psycopg_pool import ConnectionPool, PoolTimeout


def log_to_stdout() -> None:
    """One line an event, with the time in UTC."""
    logging.Formatter.converter = time.gmtime
    line, when = "%(asctime)s.%(msecs)03dZ %(message)s", "%Y-%m-%dT%H:%M:%S"
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format=line, datefmt=when)


def service(effects: Effects) -> FastAPI:
    """A service on the context's database, as its application role (DB_URL)."""
    log_to_stdout()
    pool = ConnectionPool(os.environ["DB_URL"], min_size=4, max_size=16, timeout=5, open=False)

    @asynccontextmanager
    async def lifespan(_app: FastAPI):
        pool.open()
        yield
        pool.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/handle")
    def post_event(event: Event) -> Response:
        try:
            with pool.connection() as connection:
                status, why = handle(connection, event, effects)
        except (PoolTimeout, psycopg.OperationalError) as error:
            status, why = 503, f"no database: {error}"
        return Response(why, status, media_type="text/plain")

    @app.get("/health/live")
    def live() -> dict:
        return {"status": "live"}

    @app.get("/health/ready")
    def ready(response: Response) -> dict:
        try:
            with pool.connection(timeout=2) as connection:
                connection.execute("SELECT FROM mq_settings")
        except (PoolTimeout, psycopg.Error) as error:
            response.status_code = 503
            return {"status": "not ready", "why": str(error)}
        return {"status": "ready"}

    return app
