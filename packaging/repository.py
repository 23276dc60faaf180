"""Where things are in the repository, and which version it is."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_WORKSPACE_VERSION = re.compile(r'^\[workspace\.package\]\n(?:[^\[\n].*\n|\n)*?version = "(?P<version>[^"]+)"', re.M)
# Any date would do that is always the same; a wheel can hold none before 1980.
_DATE = 1_767_225_600


def version(root: Path = ROOT) -> str:
    """The one version, as the workspace's Cargo.toml has it."""
    found = _WORKSPACE_VERSION.search((root / "Cargo.toml").read_text())
    if not found:
        raise SystemExit(f"{root / 'Cargo.toml'}: no version in [workspace.package]")
    return found["version"]


def python_packages(root: Path = ROOT) -> list[Path]:
    """The folders of all Python packages, sorted."""
    places = ("libs/*", "apps/*", "sdk/*", "contracts/generated/python")
    return sorted(path.parent for place in places for path in root.glob(f"{place}/pyproject.toml"))


def date() -> int:
    """The time that everything packed bears, in seconds since 1970: ``SOURCE_DATE_EPOCH``, or else a fixed one."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or _DATE)
