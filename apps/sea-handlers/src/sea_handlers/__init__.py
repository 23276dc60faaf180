"""SEA's reactions to VibesPro's events.

    vibe_created v1 ──▶ the vibe as SEA sees it, and a case with a review task
    vibe_updated v1 ──▶ the vibe as SEA sees it
    vibe_scored v1  ──▶ sea-api is asked for its judgement, then a governance decision

- ``domain``: what an event means to SEA, and what follows from a judgement. Pure.
- ``app``: the use cases, over ports.
- ``adapters``: SEA's tables, and sea-api.
- ``shell``: the service that wires them.

The rules themselves are sea-api's: nothing here knows when a vibe is good enough.
"""
