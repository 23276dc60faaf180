"""A real Postgres server for one test process."""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

STOP_SECS = 30
_PR_SET_PDEATHSIG = 1


def program(name: str) -> Path:
    """A program of this project: in the folder ``SEA_MQ_BIN``, else in the ``target/debug`` above this file.

    Raises FileNotFoundError, which says what to do.
    """
    chosen = os.environ.get("SEA_MQ_BIN")
    above = [folder / "target" / "debug" for folder in Path(__file__).resolve().parents]
    for folder in [Path(chosen)] if chosen else above:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"no program {name}: run `make build`, or say in SEA_MQ_BIN where it is")


class Server:
    """Postgres on a free port, with a folder of its own that goes with it."""

    def __init__(self, process: "subprocess.Popen[str]", admin_url: str) -> None:
        self._process = process
        self.admin_url = admin_url

    @classmethod
    def start(cls) -> "Server":
        """Waits until it takes connections; raises RuntimeError when it does not start."""
        stack = [program("sea-mq-stack")]
        # Also when the test process is killed: the stack ends with it, and its servers with the stack.
        process = subprocess.Popen(stack, stdout=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
        assert process.stdout is not None
        said: dict[str, str] = {}
        for line in process.stdout:
            name, _, value = line.strip().partition(" ")
            if name == "ready":
                return cls(process, said["postgres"])
            said[name] = value
        raise RuntimeError(f"sea-mq-stack ended with {process.wait()} before it was ready; its message is above")

    def stop(self) -> None:
        """Ends it, and removes its folder."""
        self._process.terminate()
        self._process.wait(STOP_SECS)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
