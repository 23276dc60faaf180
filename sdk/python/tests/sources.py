"""Lets the tests run from a checkout: imported before what it makes importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
