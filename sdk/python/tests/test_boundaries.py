"""The boundaries of `.importlinter` hold, and a forbidden import is found."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {
    "sea_mq": ROOT / "sdk/python/src",
    "sea_handlers": ROOT / "apps/sea-handlers/src",
    "vibespro_handlers": ROOT / "apps/vibespro-handlers/src",
}
CONTRACTS = {
    "contexts": "Contexts import nothing of each other",
    "shared": "What all handlers share knows no context",
    "sea": "In sea_handlers imports point inward",
    "vibespro": "In vibespro_handlers imports point inward",
    "core": "What decides and runs knows no database library and no web framework",
    "pure": "Domain and use cases know no database, no HTTP and no handler service",
}


class TestBoundaries(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.copy = Path(folder.name)
        shutil.copy(ROOT / ".importlinter", self.copy)
        for name, source in PACKAGES.items():
            shutil.copytree(source / name, self.copy / name)

    def broken(self) -> tuple[int, set[str]]:
        """Exit code and the contracts that are broken in the copy."""
        program = Path(sys.executable).parent / "lint-imports"
        self.assertTrue(program.is_file(), f"no {program}: run `make deny`, which installs requirements/checks.txt")
        environment = {**os.environ, "PYTHONPATH": str(self.copy)}
        command = [program, "--no-cache", "--no-logo"]
        done = subprocess.run(command, cwd=self.copy, env=environment, capture_output=True, text=True)
        return done.returncode, {short for short, name in CONTRACTS.items() if f"{name} BROKEN" in done.stdout}

    def test_they_hold(self) -> None:
        self.assertEqual(self.broken(), (0, set()))

    def test_a_forbidden_import_is_found(self) -> None:
        # What all share would lead one context to the other.
        for module, line, contracts in [
            ("sea_handlers/app/reviewing.py", "import vibespro_handlers.domain.verdict", {"contexts"}),
            ("vibespro_handlers/shell/app.py", "from sea_handlers import domain", {"contexts"}),
            ("sea_mq/engine.py", "import sea_handlers.domain.vibe", {"shared", "contexts"}),
            ("sea_mq/engine.py", "import sqlalchemy", {"core"}),
            ("sea_handlers/domain/vibe.py", "import psycopg", {"pure"}),
            ("vibespro_handlers/domain/verdict.py", "from fastapi import FastAPI", {"pure"}),
            ("sea_handlers/domain/case.py", "from sea_handlers.app import ports", {"sea"}),
            ("vibespro_handlers/app/showing.py", "from vibespro_handlers.adapters import vibes", {"vibespro", "pure"}),
        ]:
            with self.subTest(module=module, line=line):
                file = self.copy / module
                before = file.read_text()
                file.write_text(f"{before}\n{line}\n")
                found = self.broken()
                file.write_text(before)
                self.assertEqual(found, (1, contracts))


if __name__ == "__main__":
    unittest.main()
