#!/usr/bin/env python3
"""Writes actions.jsonl: what some users of VibesPro did in one morning.

The file is kept in the repository, so that every run of the demo plays the same morning; this script shows how it came
about and writes it anew, byte by byte the same. One action a line, in the order of the morning: `user` creates, updates
or scores the vibe that the recording calls `vibe`.
"""

import json
import random
from pathlib import Path

USERS = ["ada", "bela", "cem", "dora", "emil", "fatma", "goran", "hana"]
WORDS = ["calm", "dusk", "harbour", "neon", "orchard", "quiet", "river", "slate", "tide", "violet"]
VIBES = 200


def main() -> None:
    chance = random.Random(4)
    stories = [story(number, chance) for number in range(1, VIBES + 1)]
    with Path(__file__).with_name("actions.jsonl").open("w", encoding="utf-8") as out:
        while stories:
            # A user works on few vibes at a time.
            current = chance.choice(stories[:12])
            out.write(json.dumps(current.pop(0)) + "\n")
            stories = [rest for rest in stories if rest]


def story(number: int, chance: random.Random) -> list[dict]:
    """What happens to one vibe, in its order."""
    about = {"user": chance.choice(USERS), "vibe": f"vibe-{number:03}"}
    actions = [{**about, "do": "create", "title": title(chance)}]
    actions += [{**about, "do": "update", "title": title(chance)} for _ in range(chance.randint(0, 1))]
    actions += [{**about, "do": "score", "score": chance.randint(0, 100)} for _ in range(chance.choice([0, 1, 1, 1, 2]))]
    return actions


def title(chance: random.Random) -> str:
    return " ".join(chance.sample(WORDS, 2))


if __name__ == "__main__":
    main()
