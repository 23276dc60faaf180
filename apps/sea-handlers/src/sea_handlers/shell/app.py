"""The FastAPI application, from the environment."""

import os
from collections.abc import Mapping

from fastapi import FastAPI
from sea_mq.fastapi import lifespan, router
from sea_mq.psycopg import Psycopg, connection_pool
from sea_mq.serve import required, secrets, unusable

from sea_handlers.adapters.sea_api import SeaApi
from sea_handlers.shell.reactions import reactions, real_world

NEEDS = ("vibe_views", "governance_decisions", "cases", "tasks")


def app(environment: Mapping[str, str] = os.environ) -> FastAPI:
    """The service on ``DB_URL`` (as ``sea_app``) and ``SEA_API_URL``; exit code 64 when they make no sense.

    With ``HANDLER_SECRET`` or ``HANDLER_SECRET_FILE`` it takes signed calls only.
    """
    db_url, sea_api_url = required(environment, "DB_URL", "SEA_API_URL")
    try:
        sea_api = SeaApi(sea_api_url)
    except ValueError as error:
        unusable(f"SEA_API_URL: {error}")
    database = Psycopg(connection_pool(db_url, name="sea-handlers"))
    handlers = reactions(database, sea_api.judge, real_world())
    made = FastAPI(title="sea-handlers", lifespan=lifespan(handlers))
    made.include_router(router(handlers, secrets=secrets(environment), ready=NEEDS))
    return made
