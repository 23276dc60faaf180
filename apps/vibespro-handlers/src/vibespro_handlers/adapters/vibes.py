"""The decision on a vibe: columns of ``vibes`` that only this service writes."""

import psycopg

from vibespro_handlers.app.showing import Shown
from vibespro_handlers.domain.verdict import Verdict


class PostgresVibes:
    """Within the transaction of the connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def show(self, verdict: Verdict) -> Shown:
        """The vibe's own revision stays: a decision is not a change by a command."""
        written = self._connection.execute(
            """
            UPDATE vibes
            SET decision_outcome = %(outcome)s, decision_reason = %(reason)s, decision_case_id = %(case_id)s,
                decision_revision = %(revision)s, decided_at = %(decided_at)s
            WHERE vibe_id = %(vibe_id)s AND coalesce(decision_revision, 0) <= %(revision)s
            """,
            {
                "vibe_id": verdict.vibe_id,
                "revision": verdict.vibe_revision,
                "outcome": verdict.outcome,
                "reason": verdict.reason,
                "case_id": verdict.case_id,
                "decided_at": verdict.decided_at,
            },
        )
        if written.rowcount:
            return Shown.KEPT
        known = self._connection.execute("SELECT FROM vibes WHERE vibe_id = %s", (verdict.vibe_id,)).fetchone()
        return Shown.NO_SUCH_VIBE if known is None else Shown.OLDER
