"""Cases and their tasks: the tables of sea-api, changed as its commands change them."""

from datetime import datetime
from uuid import UUID

import psycopg

from sea_handlers.domain.case import GOVERNANCE, OpenedCase, StandingCase, Task, first_case_id


class Cases:
    """Within the transaction of the connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def standing(self, vibe_id: UUID) -> StandingCase | None:
        """The case of the latest decision, else the first one. Its row is locked: the commands lock it too."""
        row = self._connection.execute(
            """
            SELECT case_id, state = 'open' FROM cases
            WHERE case_id = coalesce(
                (SELECT decided.case_id FROM governance_decisions AS decided WHERE decided.vibe_id = %s
                 ORDER BY decided.vibe_revision DESC, decided.decided_at DESC LIMIT 1), %s)
            FOR UPDATE
            """,
            (vibe_id, first_case_id(vibe_id)),
        ).fetchone()
        return StandingCase(row[0], row[1], self._open_tasks(row[0])) if row else None

    def _open_tasks(self, case_id: UUID) -> tuple[Task, ...]:
        rows = self._connection.execute(
            "SELECT task_id, kind, title FROM tasks WHERE case_id = %s AND state = 'open' ORDER BY position, task_id",
            (case_id,),
        )
        return tuple(Task(*row) for row in rows)

    def open(self, case: OpenedCase) -> bool:
        """False when the case is there already."""
        inserted = self._connection.execute(
            """
            INSERT INTO cases (case_id, title, vibe_id, state, opened_at, revision)
            VALUES (%s, %s, %s, 'open', %s, 1) ON CONFLICT (case_id) DO NOTHING
            """,
            (case.case_id, case.title, str(case.vibe_id), case.opened_at),
        )
        if inserted.rowcount == 0:
            return False
        for task in case.tasks:
            self._insert(case.case_id, task)
        return True

    def add(self, case_id: UUID, task: Task) -> None:
        """One more task of a locked case."""
        self._insert(case_id, task)
        self._connection.execute("UPDATE cases SET revision = revision + 1 WHERE case_id = %s", (case_id,))

    def _insert(self, case_id: UUID, task: Task) -> None:
        self._connection.execute(
            """
            INSERT INTO tasks (task_id, case_id, kind, title, state, position)
            SELECT %(task_id)s, %(case_id)s, %(kind)s, %(title)s, 'open', coalesce(max(position) + 1, 0)
            FROM tasks WHERE case_id = %(case_id)s
            """,
            {"task_id": task.task_id, "case_id": case_id, "kind": task.kind, "title": task.title},
        )

    def complete(self, case_id: UUID, task: Task, at: datetime) -> int:
        """The last task closes the case."""
        self._connection.execute(
            "UPDATE tasks SET state = 'done', completed_by = %s, completed_at = %s WHERE task_id = %s AND state = 'open'",
            (GOVERNANCE, at, task.task_id),
        )
        left = len(self._open_tasks(case_id))
        self._connection.execute(
            "UPDATE cases SET revision = revision + 1, state = %s WHERE case_id = %s",
            ("open" if left else "closed", case_id),
        )
        return left
