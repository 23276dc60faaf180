"""The FastAPI application, from the environment."""

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

from fastapi import FastAPI
from psycopg import Connection
from sea_mq import Event, Handlers, Poison, Transaction
from sea_mq.fastapi import lifespan, router
from sea_mq.psycopg import Psycopg, connection_pool
from sea_mq.serve import required, secrets

from vibespro_handlers.adapters.vibes import PostgresVibes
from vibespro_handlers.app.showing import UnknownVibe, show
from vibespro_handlers.domain.verdict import DecisionRecorded, Verdict, ViolationDetected

NEEDS = ("vibes", "vibes.decision_revision")

Tx: TypeAlias = Transaction[Connection[Any]]


def reactions(database: Psycopg) -> Handlers[Tx, None]:
    """VibesPro's reactions. SEA's own work on its cases comes on the same stream, and is of no concern here."""
    handlers = Handlers(database)
    handlers.ignore("case_created", 1)
    handlers.ignore("task_completed", 1)

    @handlers.on("governance_decision_recorded", 1)
    def governance_decision_recorded(tx: Tx, event: Event[DecisionRecorded]) -> None:
        _show(tx, event.payload.verdict)

    @handlers.on("policy_violation_detected", 1)
    def policy_violation_detected(tx: Tx, event: Event[ViolationDetected]) -> None:
        _show(tx, event.payload.verdict)

    return handlers


def _show(tx: Tx, verdict: Verdict) -> None:
    try:
        show(PostgresVibes(tx.connection), verdict)
    except UnknownVibe:
        raise Poison("there is no such vibe here; was this database set back? redrive once the vibe is back") from None


def app(environment: Mapping[str, str] = os.environ) -> FastAPI:
    """The service on ``DB_URL`` (as ``vibespro_app``); exit code 64 when it is not set.

    With ``HANDLER_SECRET`` or ``HANDLER_SECRET_FILE`` it takes signed calls only.
    """
    (db_url,) = required(environment, "DB_URL")
    handlers = reactions(Psycopg(connection_pool(db_url, name="vibespro-handlers")))
    made = FastAPI(title="vibespro-handlers", lifespan=lifespan(handlers))
    made.include_router(router(handlers, secrets=secrets(environment), ready=NEEDS))
    return made
