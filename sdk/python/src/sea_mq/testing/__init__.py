"""Handlers tested on a real database.

Without broker, worker or HTTP, on a context's database that is there:

    with Calls(handlers, worker_url) as calls:
        outcome = calls.hand("vibespro.event.vibe_created.v1", payload)

As they run, with a database made for the test, a real socket and the worker's calls:

    server = Server.start()                                  # Postgres, gone with the test process
    sea = Context.provision(server, "sea", migrations)       # roles, walls, tables
    service = Service.start(app({"DB_URL": sea.app_url}))    # on a free port
    answer = service.handle(sea.attempt("vibespro.event.vibe_created.v1", payload))
"""

from sea_mq.testing.calls import AsyncCalls, Calls, Outcome
from sea_mq.testing.context import Context
from sea_mq.testing.inbox import Emitted
from sea_mq.testing.server import Server
from sea_mq.testing.service import Answered, Service, signed

__all__ = ["Answered", "AsyncCalls", "Calls", "Context", "Emitted", "Outcome", "Server", "Service", "signed"]
