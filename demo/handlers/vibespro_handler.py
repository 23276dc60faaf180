"""vibespro: shows sea's decision on the vibe.

    DB_URL=postgres://vibespro_app:…@127.0.0.1/vibespro_db uvicorn vibespro_handler:app --port 7002
"""

import psycopg
from joined import Event, Unavailable
from service import service


def effects(connection: psycopg.Connection, event: Event) -> None:
    """What one sea event does in vibespro."""
    if (event.event_type, event.event_version) != ("governance_decision_recorded", 1):
        raise Unavailable(f"no handler yet for {event.subject}")
    decision = event.payload
    connection.execute(
        "UPDATE vibes SET decision = %s, decided_at = clock_timestamp() WHERE vibe_id = %s",
        (decision["decision"], decision["vibe_id"]),
    )
    connection.execute(
        "INSERT INTO vibe_history (vibe_id, message_id, event_type, revision) VALUES (%s, %s, %s, %s)",
        (decision["vibe_id"], event.message_id, event.event_type, decision["revision"]),
    )


app = service(effects)
