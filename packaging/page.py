"""Runs the ``sh`` blocks of a page as a reader would paste them, in a copy of the repository."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import repository

_BLOCK = re.compile(r"^```sh\n(?P<text>.*?)^```$", re.M | re.S)
_NOT_COPIED = (".git", ".state", "dist", "node_modules", "target", ".venv")
# What a caller may have set, and a reader has not.
_UNSET = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH", "DIST")
# Everything is built already, and not from the copy.
_PRELUDE = 'set -euo pipefail\nmake() { command make -o build "$@"; }\nexport PROFILE=dev\n'


def run(page: str, copy: Path, within_secs: float) -> None:
    """Fills the folder ``copy`` and runs the page in it, with the programs for development.

    Raises ``RuntimeError`` with what was printed when a block fails.
    """
    _fill(copy)
    blocks = (block["text"] for block in _BLOCK.finditer((copy / page).read_text()))
    script = _PRELUDE + "".join(f'cd "{copy}"\n{block}' for block in blocks)
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    bash = subprocess.run(["bash", "-xc", script], env=kept, timeout=within_secs, **output)
    if bash.returncode:
        raise RuntimeError(f"{page}: ended with {bash.returncode}:\n{bash.stdout}")


def _fill(copy: Path) -> None:
    def left_out(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name in _NOT_COPIED and Path(folder) == repository.ROOT]

    shutil.copytree(repository.ROOT, copy, ignore=left_out, dirs_exist_ok=True)
    for name in ("target", ".venv"):
        (copy / name).symlink_to(repository.ROOT / name)
