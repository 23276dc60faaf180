#!/usr/bin/env python3
"""Writes events.jsonl: what some users of vibespro did in one morning.

The file is kept in the repository, so that every run of the demo tells the same
story; this script shows how it came about and writes it anew, byte by byte the same.
"""

import json
import random
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

USERS = ["ada", "bela", "cem", "dora", "emil", "fatma", "goran", "hana"]
WORDS = ["calm", "dusk", "harbour", "neon", "orchard", "quiet", "river", "slate", "tide", "violet"]
VIBES = 64
START = datetime(2026, 5, 4, 9, 0, tzinfo=timezone.utc)
# Scores that no case can be decided by: sea answers 422, the event is poison.
POISON = {7: 250, 19: -3, 31: 101, 44: 999, 58: -1}
# Events whose handler is unavailable for their first attempts; 99 = for good.
UNAVAILABLE = {5: 2, 12: 2, 23: 2, 37: 2, 50: 2, 28: 99, 61: 99}


def main() -> None:
    chance = random.Random(4)
    stories = [story(number, chance) for number in range(1, VIBES + 1)]
    now = START
    with Path(__file__).with_name("events.jsonl").open("w", encoding="utf-8") as out:
        while stories:
            current = chance.choice(stories)
            now += timedelta(milliseconds=chance.randint(20, 900))
            out.write(line(current.pop(0), now, chance) + "\n")
            stories = [rest for rest in stories if rest]


def story(number: int, chance: random.Random) -> list[dict]:
    """The events of one vibe in their order."""
    kinds = ["vibe_created"] + ["vibe_updated"] * chance.randint(1, 3) + ["vibe_scored"]
    vibe = {"vibe_id": f"vibe-{number:03}", "user_id": chance.choice(USERS)}
    events = []
    for revision, kind in enumerate(kinds, start=1):
        payload = dict(vibe, revision=revision)
        if kind == "vibe_scored":
            payload["score"] = POISON.get(number, chance.randint(0, 100))
            if number in UNAVAILABLE:
                payload["rehearsal"] = {"unavailable_attempts": UNAVAILABLE[number]}
        else:
            payload["title"] = " ".join(chance.sample(WORDS, 2))
        events.append({"type": kind, "payload": payload})
    return events


def line(event: dict, now: datetime, chance: random.Random) -> str:
    identity = uuid.UUID(int=chance.getrandbits(128), version=4)
    occurred_at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"id": str(identity), "occurred_at": occurred_at, **event})


if __name__ == "__main__":
    main()
