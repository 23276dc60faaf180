"""What every handler service on sea-mq shares, and nothing of any context.

    worker ──POST /handle──▶ service ──▶ handle ──▶ translate ─▶ ask ─▶ one transaction
                                                     (422)      (503)    inbox_begin
                                                                         effects, emit
                                                                         inbox_complete

- :mod:`sea_mq_handlers.event`: what a call says.
- :mod:`sea_mq_handlers.reaction`: what a context does about it, in three steps.
- :mod:`sea_mq_handlers.handle`: runs them exactly once, and answers.
- :mod:`sea_mq_handlers.service`: the FastAPI service around it, and its health.
- :mod:`sea_mq_handlers.testing`: a real database to test reactions against.
"""
