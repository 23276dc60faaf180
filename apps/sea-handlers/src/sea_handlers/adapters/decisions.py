"""Governance decisions: ``governance_decisions``."""

from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from sea_handlers.domain.governance import Decision


class GovernanceDecisions:
    """Within the transaction of the connection; each decision is made because of one message."""

    def __init__(self, connection: psycopg.Connection, message_id: UUID) -> None:
        self._connection = connection
        self._message_id = message_id

    def newer_than(self, vibe_id: UUID, revision: int) -> bool:
        """Whether a later revision was decided."""
        row = self._connection.execute(
            "SELECT EXISTS (SELECT FROM governance_decisions WHERE vibe_id = %s AND vibe_revision > %s)",
            (vibe_id, revision),
        ).fetchone()
        return row[0]

    def record(self, decision: Decision) -> None:
        """A second decision for the same message is refused by the table."""
        vibe = decision.judged.vibe
        self._connection.execute(
            """
            INSERT INTO governance_decisions
                (decision_id, case_id, vibe_id, vibe_revision, outcome, reasons, policies, message_id, decided_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            (
                decision.decision_id,
                decision.case_id,
                vibe.vibe_id,
                vibe.revision,
                decision.outcome,
                Jsonb(decision.reasons),
                Jsonb(decision.policies),
                self._message_id,
                decision.decided_at,
            ),
        )
