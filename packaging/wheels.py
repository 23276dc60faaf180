#!/usr/bin/env python3
"""Builds the wheels of all Python packages into a folder: ``wheels.py FOLDER``.

Needs what requirements/packaging.txt pins and no network. The same sources make the same bytes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import repository
import version

_PIP = ["-m", "pip", "--quiet", "--disable-pip-version-check", "wheel", "--no-index", "--no-cache-dir"]
_LEFT_OUT = shutil.ignore_patterns("tests", "build", "*.egg-info", "__pycache__", "*.pyc")


def build(folder: Path) -> list[Path]:
    """Puts the wheels into ``folder``, in place of older ones of theirs. Says which they are."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary, "made")
        command = [*_PIP, "--no-deps", "--no-build-isolation", "--wheel-dir", made, *_copies(Path(temporary))]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(repository.date())}
        environment.pop("PYTHONPATH", None)
        if subprocess.run([sys.executable, *command], env=environment).returncode:
            raise SystemExit("building the wheels failed; what pip said of it stands above")
        wheels = sorted(made.glob("*.whl"))
        for older in (old for wheel in wheels for old in folder.glob(f"{wheel.name.partition('-')[0]}-*.whl")):
            older.unlink()
        return [Path(shutil.move(wheel, folder / wheel.name)) for wheel in wheels]


def _copies(temporary: Path) -> list[Path]:
    """The packages with the licence beside each: setuptools leaves files behind where it builds."""
    # Modes are packed too: they are the same whatever the clone was made with.
    os.umask(0o022)
    copies = []
    for number, package in enumerate(repository.python_packages()):
        copy = temporary / f"{number}"
        shutil.copytree(package, copy, ignore=_LEFT_OUT, copy_function=shutil.copyfile)
        shutil.copyfile(repository.ROOT / "LICENSE", copy / "LICENSE")
        copies.append(copy)
    return copies


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: wheels.py FOLDER")
    version.check(repository.ROOT)
    for built in build(Path(sys.argv[1])):
        print(built)
