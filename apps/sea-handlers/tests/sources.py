"""Lets the tests run from a checkout: imported before what it makes importable."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MIGRATIONS = ROOT / "libs/sea/adapters/migrations"

sys.path[:0] = [str(ROOT / at) for at in ("sdk/python/src", "apps/sea-handlers/src", "contracts/generated/python")]
