"""sea: opens a case for every vibe, follows its revisions, and decides when it is scored.

    DB_URL=postgres://sea_app:…@127.0.0.1/sea_db uvicorn sea_handler:app --port 7001
"""

import psycopg
from joined import Event, Poison, Unavailable
from psycopg.types.json import Jsonb
from service import service

APPROVED_FROM = 40


def effects(connection: psycopg.Connection, event: Event) -> None:
    """What one vibespro event does in sea."""
    rehearse_outage(event)
    vibe = event.payload
    match (event.event_type, event.event_version):
        case ("vibe_created", 1):
            open_case(connection, vibe)
        case ("vibe_updated", 1):
            follow(connection, vibe)
        case ("vibe_scored", 1):
            decide(connection, event, score_of(vibe))
        case _:
            # A newer producer: this handler will learn it, the event must not be lost.
            raise Unavailable(f"no handler yet for {event.subject}")
    connection.execute(
        "INSERT INTO case_history (vibe_id, message_id, event_type, revision) VALUES (%s, %s, %s, %s)",
        (vibe["vibe_id"], event.message_id, event.event_type, vibe["revision"]),
    )


def rehearse_outage(event: Event) -> None:
    """Some recorded events ask for a handler that is not there yet."""
    rehearsal = event.payload.get("rehearsal", {})
    if event.attempt <= rehearsal.get("unavailable_attempts", 0):
        raise Unavailable("the decision service is warming up")


def score_of(vibe: dict) -> int:
    score = vibe["score"]
    if not 0 <= score <= 100:
        raise Poison(f"score {score} is not within 0 to 100")
    return score


def open_case(connection: psycopg.Connection, vibe: dict) -> None:
    connection.execute(
        "INSERT INTO cases (vibe_id, user_id, title, revision) VALUES (%s, %s, %s, %s)",
        (vibe["vibe_id"], vibe["user_id"], vibe["title"], vibe["revision"]),
    )


def follow(connection: psycopg.Connection, vibe: dict) -> None:
    connection.execute(
        "UPDATE cases SET title = %s, revision = %s WHERE vibe_id = %s",
        (vibe["title"], vibe["revision"], vibe["vibe_id"]),
    )


def decide(connection: psycopg.Connection, event: Event, score: int) -> None:
    """Closes the case and tells the world in the same transaction."""
    vibe_id, revision = event.payload["vibe_id"], event.payload["revision"]
    decision = "approved" if score >= APPROVED_FROM else "rejected"
    connection.execute("UPDATE cases SET state = %s, revision = %s WHERE vibe_id = %s", (decision, revision, vibe_id))
    connection.execute(
        "SELECT outbox_emit('sea.event.governance_decision_recorded.v1', %s, 'case', %s,"
        " correlation_id => %s, causation_id => %s)",
        (
            Jsonb({"vibe_id": vibe_id, "revision": revision, "decision": decision, "score": score}),
            vibe_id,
            event.correlation_id,
            event.message_id,
        ),
    )


app = service(effects)
