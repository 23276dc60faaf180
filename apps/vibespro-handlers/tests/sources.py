"""Lets the tests run from a checkout: imported before what it makes importable."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
MIGRATIONS = ROOT / "libs/vibespro/adapters/migrations"

sys.path[:0] = [str(ROOT / "sdk/python/src"), str(ROOT / "apps/vibespro-handlers/src")]
