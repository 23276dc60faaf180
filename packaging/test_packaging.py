"""A release, packed and unpacked as docs/how-to/install.md says: whole, of one version, always the same, and it runs.

Run by `make check-packaging`, with the programs for development.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

import archive
import page
import repository
import version

CONFIGURATION = 64
RUN_SECS, PAGE_SECS = 60, 180
# A payload that keeps its contract, one that does not, and where the model comes from.
EXAMPLE = """
import sea_mq_contracts, pydantic
vibe = {
    "vibe_id": "0190a5d4-3c3e-7cc1-9c1b-2f6d3a4b5c6d", "user_id": "ada", "title": "Rain", "description": "",
    "revision": 1, "created_at": "2026-01-01T12:00:00Z",
}
model = sea_mq_contracts.vibespro.VibeCreatedV1
assert model.model_validate(vibe).title == "Rain"
try:
    model.model_validate({**vibe, "revision": 0})
    raise SystemExit("revision 0 is taken")
except pydantic.ValidationError:
    print(sea_mq_contracts.__file__)
"""


def temporary(test: unittest.TestCase) -> Path:
    """A folder for this test."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    return Path(folder.name)


def setUpModule() -> None:
    global DIST, INSTALLED
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    copy = Path(folder.name).resolve()
    page.run("docs/how-to/install.md", copy, PAGE_SECS)
    DIST, INSTALLED = copy / "dist", copy / ".state/installed"


def run(*command: str | Path, cwd: Path) -> tuple[int, str]:
    """Exit code and what was said, as a user runs it who has set nothing."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        command, cwd=cwd, env=kept, timeout=RUN_SECS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def names(folder: Path, pattern: str = "*") -> set[str]:
    """Of what lies in the folder."""
    return {path.name for path in folder.glob(pattern)}


class TestVersion(unittest.TestCase):
    def copy(self) -> Path:
        root = temporary(self)
        packages = [folder / "pyproject.toml" for folder in repository.python_packages()]
        npm = [repository.ROOT / "sdk/typescript" / name for name in ("package.json", "package-lock.json")]
        for path in [repository.ROOT / "Cargo.toml", *packages, *npm]:
            at = root / path.relative_to(repository.ROOT)
            at.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, at)
        return root

    def test_it_is_the_same_everywhere(self) -> None:
        self.assertEqual(version.differing(repository.ROOT), [])

    def test_a_place_that_says_something_else_is_named(self) -> None:
        root = self.copy()
        path = root / "apps/sea-handlers/pyproject.toml"
        good = path.read_text()
        for wrong, said in (
            (good.replace(f'version = "{repository.version()}"', 'version = "9.9.9"'), ":7: 9.9.9"),
            (good.replace(f"psycopg]=={repository.version()}", "psycopg]==9.9.9"), ": 9.9.9"),
            (good.replace("version = ", "dynamic = "), "states no version"),
        ):
            path.write_text(wrong)
            (found,) = version.differing(root)
            self.assertIn("apps/sea-handlers/pyproject.toml", found)
            self.assertIn(said, found)

    def test_the_npm_package_and_its_lock_file_say_it_too(self) -> None:
        root = self.copy()
        path = root / "sdk/typescript/package-lock.json"
        path.write_text(path.read_text().replace(f'"version": "{repository.version()}"', '"version": "9.9.9"', 2))
        said = f"9.9.9, and Cargo.toml has {repository.version()}"
        self.assertEqual(version.differing(root), [f"sdk/typescript/package-lock.json:{line}: {said}" for line in (3, 9)])

    def test_another_one_is_written_everywhere_and_nothing_else_changes(self) -> None:
        root = self.copy()
        before = {path: path.read_text() for path in root.rglob("*") if path.is_file()}
        old = repository.version()
        version.write(root, "9.8.7")
        self.assertEqual((repository.version(root), version.differing(root)), ("9.8.7", []))
        self.assertIn("sea-mq[fastapi,psycopg]==9.8.7", (root / "apps/sea-handlers/pyproject.toml").read_text())
        self.assertEqual((root / "sdk/typescript/package-lock.json").read_text().count('"9.8.7"'), 2)
        version.write(root, old)
        self.assertEqual({path: path.read_text() for path in before}, before)


class TestArchive(unittest.TestCase):
    def test_all_that_belongs_into_it_is_there_and_nothing_else(self) -> None:
        files = {"LICENSE", "README.md", "ARCHITECTURE.md", "CHANGELOG.md"}
        folders = {"bin", "wheels", "contracts", "docs", "infra", "requirements"}
        self.assertEqual(names(INSTALLED) - {"dev.toml"}, files | folders)
        self.assertEqual(names(INSTALLED / "bin"), set(archive.PROGRAMS))
        packages = ("sea_mq", "sea_mq_contracts", "sea_handlers", "vibespro_handlers")
        wheels = {f"{name}-{repository.version()}-py3-none-any.whl" for name in packages}
        self.assertEqual((names(INSTALLED / "wheels"), names(DIST, "*.whl")), (wheels, wheels))
        for name in ("contracts/released.json", "infra/nats/users.conf", "docs/reference/configuration.md"):
            self.assertTrue((INSTALLED / name).is_file(), name)
        self.assertFalse([*INSTALLED.rglob("__pycache__")])

    def test_the_sums_still_hold_after_the_wheels_were_built_again(self) -> None:
        (packed,) = DIST.glob(f"sea-mq-{repository.version()}-*.tar.gz")
        sums = (DIST / "SHA256SUMS").read_text()
        self.assertEqual({line.split()[1] for line in sums.splitlines()}, {packed.name, *names(DIST, "*.whl")})
        status, said = run("sha256sum", "--check", "SHA256SUMS", cwd=DIST)
        self.assertEqual(status, 0, said)

    def test_every_program_says_the_one_version(self) -> None:
        for name in archive.PROGRAMS:
            self.assertEqual(
                run(INSTALLED / "bin" / name, "--version", cwd=INSTALLED),
                (0, f"{name} {repository.version()}\n"),
            )

    def test_its_programs_know_its_contracts_and_miss_what_is_not_set(self) -> None:
        status, said = run("bin/sea-mq", "contracts", "check", cwd=INSTALLED)
        self.assertEqual(status, 0, said)
        settings = {"sea-api": "DB_URL", "vibespro-api": "DB_URL", "sea-api migrate": "MIGRATOR_URL"}
        for command, missing in settings.items():
            program, *arguments = command.split()
            status, said = run(INSTALLED / "bin" / program, *arguments, cwd=INSTALLED)
            self.assertEqual(status, CONFIGURATION, said)
            self.assertIn(f"{missing} is not set", said)

    def test_a_program_that_was_not_built_is_named(self) -> None:
        with self.assertRaisesRegex(SystemExit, "nowhere/sea-mq-worker.*make dist"):
            archive.contents(repository.ROOT, Path("nowhere"), [])

    def test_a_program_with_failpoints_is_refused(self) -> None:
        folder = temporary(self)
        for name in archive.PROGRAMS:
            (folder / name).write_bytes(b"")
        self.assertEqual(archive.with_failpoints(folder), [])
        shutil.copyfile(INSTALLED / "bin/sea-mq-worker", folder / "sea-mq-worker")
        self.assertEqual(archive.with_failpoints(folder), ["sea-mq-worker"])
        pack = [sys.executable, archive.__file__, "--programs", folder, "--target", "none", DIST]
        status, said = run(*pack, cwd=folder)
        self.assertEqual((status, names(DIST, "*-none.tar.gz")), (1, set()))
        self.assertIn("failpoints: sea-mq-worker", said)

    def test_the_same_files_make_the_same_bytes(self) -> None:
        made = []
        for mode, seconds in ((0o600, 1), (0o777, 2)):
            folder = temporary(self)
            files = {name: folder / name.replace("/", "-") for name in ("docs/b", "bin/a")}
            for path in files.values():
                path.write_text("the same")
                path.chmod(mode)
                os.utime(path, (seconds, seconds))
            archive.pack(folder / "x.tar.gz", dict(sorted(files.items(), reverse=mode == 0o600)))
            made.append(folder / "x.tar.gz")
        self.assertEqual(made[0].read_bytes(), made[1].read_bytes())
        with tarfile.open(made[0]) as tar:
            self.assertEqual(
                [(it.name, it.mode, it.uid, it.gid, it.mtime) for it in tar],
                [("x/bin/a", 0o755, 0, 0, repository.date()), ("x/docs/b", 0o644, 0, 0, repository.date())],
            )


class TestWheels(unittest.TestCase):
    def test_they_run_where_they_are_installed(self) -> None:
        folder = temporary(self)
        python = self.installed(folder / "venv")
        as_module, as_program = [python, "-m", "sea_handlers"], [python.parent / "vibespro-handlers"]
        for command, setting in ((as_module, "SEA_API_URL"), (as_program, "DB_URL")):
            status, said = run(*command, cwd=folder)
            self.assertEqual(status, CONFIGURATION, said)
            self.assertRegex(said, f"{setting}.*: not set")
        status, said = run(python, "-c", EXAMPLE, cwd=folder)
        self.assertEqual(status, 0, said)
        self.assertIn(str(folder), said)

    def installed(self, venv: Path) -> Path:
        """The interpreter of a new environment: it has the wheels, and sees what they require where it lies."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        seen = "\n".join(path for path in sys.path if path.endswith("site-packages"))
        (packages,) = venv.glob("lib/python*/site-packages")
        (packages / "required.pth").write_text(seen)
        pip = [venv / "bin/python3", "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        status, said = run(*pip, "--no-deps", "--no-index", *(INSTALLED / "wheels").iterdir(), cwd=venv)
        self.assertEqual(status, 0, said)
        return venv / "bin/python3"


if __name__ == "__main__":
    unittest.main()
