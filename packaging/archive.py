#!/usr/bin/env python3
"""Packs a release: programs, wheels, contracts, configuration and documentation, and SHA256SUMS beside it.

The same files make the same bytes: sorted, one date, one owner, two modes.
"""

import argparse
import gzip
import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

import repository

PROGRAMS = ("sea-mq", "sea-mq-worker", "sea-api", "vibespro", "vibespro-api")
# What is as it is in the repository.
FILES = (
    "LICENSE", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "requirements/handlers.txt", "requirements/servers.txt",
)  # fmt: skip
FILES_IF_THERE = ("dev.toml",)
FOLDERS = ("contracts", "docs", "infra")
_LEFT_OUT = ("__pycache__", "build")
# Said by nothing but the code of failpoints, which a build for release has not.
_OF_FAILPOINTS = b"SEA_MQ_FAILPOINTS: cannot read"


def contents(root: Path, programs: Path, wheels: list[Path]) -> dict[str, Path]:
    """Each file of a release: its place in the archive, and where it is. Ends the program when one is missing."""
    built = {f"bin/{name}": programs / name for name in PROGRAMS}
    built |= {f"wheels/{path.name}": path for path in wheels}
    kept = {name: root / name for name in FILES}
    kept |= {name: root / name for name in FILES_IF_THERE if (root / name).exists()}
    kept |= {str(path.relative_to(root)): path for folder in FOLDERS for path in _files(root / folder)}
    missing = [str(path) for path in (built | kept).values() if not path.is_file()]
    missing += [] if wheels else ["the wheels"]
    if missing:
        raise SystemExit(f"missing: {', '.join(missing)}; `make dist` builds what belongs into a release")
    return built | kept


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in _LEFT_OUT or part.endswith(".egg-info") for part in parts)
        if path.is_file() and not hidden:
            yield path


def with_failpoints(programs: Path) -> list[str]:
    """The programs that can be made to die on purpose."""
    return [name for name in PROGRAMS if _OF_FAILPOINTS in (programs / name).read_bytes()]


def pack(archive: Path, files: dict[str, Path]) -> None:
    """Writes the archive; everything in it is in one folder of its name."""
    top = archive.name.removesuffix(".tar.gz")
    with archive.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=repository.date()) as zipped:
        with tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, path in sorted(files.items()):
                entry = tarfile.TarInfo(f"{top}/{name}")
                entry.size, entry.mtime = path.stat().st_size, repository.date()
                entry.mode = 0o755 if name.startswith("bin/") else 0o644
                with path.open("rb") as content:
                    tar.addfile(entry, content)


def write_sums(folder: Path, paths: list[Path]) -> None:
    """Writes SHA256SUMS, as ``sha256sum --check`` reads it."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(paths)]
    (folder / "SHA256SUMS").write_text("".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True, help="the folder with the built programs")
    parser.add_argument("--target", required=True, help="what they were built for, such as x86_64-unknown-linux-gnu")
    parser.add_argument("--failpoints", action="store_true", help="take also programs that can be made to die on purpose")
    parser.add_argument("folder", type=Path, help="has the wheels, gets the archive")
    given = parser.parse_args()
    version = repository.version()
    archive = given.folder / f"sea-mq-{version}-{given.target}.tar.gz"
    wheels = [*given.folder.glob(f"*-{version}-*.whl")]
    files = contents(repository.ROOT, given.programs, wheels)
    if not given.failpoints and (found := with_failpoints(given.programs)):
        raise SystemExit(f"built with failpoints: {', '.join(found)}; a release is built without debug assertions")
    pack(archive, files)
    write_sums(given.folder, [archive, *wheels])
    print(archive)


if __name__ == "__main__":
    main()
