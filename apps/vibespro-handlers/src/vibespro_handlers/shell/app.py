"""The FastAPI application, from the environment."""

import os
from collections.abc import Mapping

from fastapi import FastAPI
from sea_mq_handlers.answer import Poison
from sea_mq_handlers.inbox import Transaction
from sea_mq_handlers.reaction import Reaction, Reactions
from sea_mq_handlers.serve import required
from sea_mq_handlers.service import service

from vibespro_handlers.adapters.vibes import PostgresVibes
from vibespro_handlers.app.showing import UnknownVibe, show
from vibespro_handlers.domain.verdict import Verdict, translate_recorded, translate_violation

NEEDS = ("vibes", "vibes.decision_revision")


def reactions() -> Reactions:
    """VibesPro's reactions. SEA's own work on its cases comes on the same stream, and is of no concern here."""
    return {
        ("case_created", 1): None,
        ("task_completed", 1): None,
        ("governance_decision_recorded", 1): Reaction(translate_recorded, _show),
        ("policy_violation_detected", 1): Reaction(translate_violation, _show),
    }


def _show(transaction: Transaction, verdict: Verdict) -> None:
    try:
        show(PostgresVibes(transaction.connection), verdict)
    except UnknownVibe:
        raise Poison("there is no such vibe here; was this database set back? redrive once the vibe is back") from None


def app(environment: Mapping[str, str] = os.environ) -> FastAPI:
    """The service on ``DB_URL`` (as ``vibespro_app``); exit code 64 when it is not set."""
    (db_url,) = required(environment, "DB_URL")
    return service("vibespro-handlers", db_url, reactions(), NEEDS)
