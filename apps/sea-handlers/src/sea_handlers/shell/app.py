"""The FastAPI application, from the environment."""

import os
from collections.abc import Mapping

from fastapi import FastAPI
from sea_mq_handlers.serve import required, unusable
from sea_mq_handlers.service import service

from sea_handlers.adapters.sea_api import SeaApi
from sea_handlers.shell.reactions import reactions, real_world

NEEDS = ("vibe_views", "governance_decisions", "cases", "tasks")


def app(environment: Mapping[str, str] = os.environ) -> FastAPI:
    """The service on ``DB_URL`` (as ``sea_app``) and ``SEA_API_URL``; exit code 64 when they make no sense."""
    db_url, sea_api_url = required(environment, "DB_URL", "SEA_API_URL")
    try:
        sea_api = SeaApi(sea_api_url)
    except ValueError as error:
        unusable(f"SEA_API_URL: {error}")
    return service("sea-handlers", db_url, reactions(sea_api.judge, real_world()), NEEDS)
