"""Reactions tested as they run: a real database, a real socket, the worker's calls.

server = Server.start()                                  # Postgres, gone with the test process
sea = Context.provision(server, "sea", migrations)       # roles, walls, tables
service = Service.start(app({"DB_URL": sea.app_url}))    # on a free port
answer = service.handle(sea.attempt("vibespro.event.vibe_created.v1", payload))
"""

from sea_mq_handlers.testing.context import Context
from sea_mq_handlers.testing.server import Server
from sea_mq_handlers.testing.service import Answered, Service

__all__ = ["Answered", "Context", "Server", "Service"]
