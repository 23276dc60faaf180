#!/usr/bin/env python3
"""Prints the one version, or with an argument such as 0.2.0 writes it wherever it has to stand.

The workspace's Cargo.toml decides. Cargo hands its version to every crate; the Python packages repeat it, and what they
require of each other, and so does the npm package with its lock file. Exits 1 and names the places when one of them says something else.
"""

import re
import subprocess
import sys
from pathlib import Path

import repository

# A package's own version, and the ones that it requires of its neighbours.
_STATED = re.compile(r'(?P<before>^version = "|"(?:sea|vibespro)-[a-z-]+(?:\[[a-z,]+\])?==)(?P<version>[^"]+)(?=")', re.M)
# The package's own, not those of what it depends on.
_NPM = re.compile(r'(?P<before>^  "version": ")(?P<version>[^"]+)(?=")', re.M)
_NPM_LOCK = re.compile(r'(?P<before>"name": "sea-mq",\n +"version": ")(?P<version>[^"]+)(?=")')
_FORM = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}")


def differing(root: Path) -> list[str]:
    """Each place that states another version than the workspace: file, line and what it says."""
    meant, wrong = repository.version(root), []
    for path, stated_as in _files(root).items():
        text = path.read_text()
        stated = list(stated_as.finditer(text))
        if not any("version" in place["before"] for place in stated):
            wrong.append(f"{path.relative_to(root)}: states no version; it should be {meant}")
        for place in (place for place in stated if place["version"] != meant):
            line = text.count("\n", 0, place.start("version")) + 1
            wrong.append(f"{path.relative_to(root)}:{line}: {place['version']}, and Cargo.toml has {meant}")
    return wrong


def check(root: Path) -> None:
    """Ends the program with all places that differ, if any does."""
    if wrong := differing(root):
        raise SystemExit("\n".join([*wrong, "to write it everywhere: make version V=…"]))


def write(root: Path, version: str) -> None:
    """Makes it the version of everything but Cargo.lock, which cargo writes."""
    old = f'version = "{repository.version(root)}"'
    manifest = root / "Cargo.toml"
    before, section, after = manifest.read_text().partition("[workspace.package]\n")
    manifest.write_text(before + section + after.replace(old, f'version = "{version}"', 1))
    for path, stated_as in _files(root).items():
        path.write_text(stated_as.sub(rf"\g<before>{version}", path.read_text()))


def _files(root: Path) -> dict[Path, re.Pattern[str]]:
    """What states the version, and how it does."""
    npm = root / "sdk" / "typescript"
    python = {folder / "pyproject.toml": _STATED for folder in repository.python_packages(root)}
    return {**python, npm / "package.json": _NPM, npm / "package-lock.json": _NPM_LOCK}


def main(arguments: list[str]) -> None:
    root = repository.ROOT
    if len(arguments) > 1 or any(not _FORM.fullmatch(it) for it in arguments):
        raise SystemExit("usage: version.py [MAJOR.MINOR.PATCH]")
    for version in arguments:
        write(root, version)
        subprocess.run(["cargo", "update", "--workspace", "--offline", "--quiet"], cwd=root, check=True)
    check(root)
    print(repository.version(root))


if __name__ == "__main__":
    main(sys.argv[1:])
