"""SEA's view of VibesPro's vibes: ``vibe_views``."""

import psycopg

from sea_handlers.domain.vibe import VibeScored, VibeSeen


class VibeViews:
    """Within the transaction of the connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def see(self, vibe: VibeSeen) -> None:
        """Keeps what is newer. Locks the row also when it is not: what follows is in order for each vibe."""
        self._connection.execute(
            """
            INSERT INTO vibe_views AS kept (vibe_id, owner, title, revision, updated_at)
            VALUES (%s, %s, %s, %s, clock_timestamp())
            ON CONFLICT (vibe_id) DO UPDATE
            SET owner = EXCLUDED.owner, title = EXCLUDED.title, revision = EXCLUDED.revision,
                updated_at = EXCLUDED.updated_at
            WHERE kept.revision < EXCLUDED.revision
            """,
            (vibe.vibe_id, vibe.owner, vibe.title, vibe.revision),
        )

    def keep_score(self, vibe: VibeScored) -> None:
        """Keeps the score, also when the view is of a later revision: what follows a score need not change it."""
        self._connection.execute(
            "UPDATE vibe_views SET last_score = %s, updated_at = clock_timestamp() WHERE vibe_id = %s",
            (vibe.score, vibe.vibe_id),
        )
