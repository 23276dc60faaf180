"""Running a service, and reading its settings."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import uvicorn

from sea_mq import signature
from sea_mq.log import to_stdout

# The worker keeps connections for 3 s; a server that drops them sooner would cut calls off.
KEEP_ALIVE_SECS = 75
SHUTDOWN_SECS = 20
CONFIGURATION = 64


def required(environment: Mapping[str, str], *names: str) -> list[str]:
    """The settings of these names. Ends the program with code 64 when any is absent, naming all that are."""
    missing = [name for name in names if not environment.get(name)]
    if missing:
        unusable(f"{', '.join(missing)}: not set")
    return [environment[name] for name in names]


def secrets(environment: Mapping[str, str]) -> list[str]:
    """Of ``HANDLER_SECRET`` or ``HANDLER_SECRET_FILE``, for ``router(secrets=…)``; none when neither is set. Ends the
    program with code 64 when they make no sense.
    """
    try:
        return signature.secrets_from(environment)
    except ValueError as error:
        unusable(str(error))


def unusable(problem: str) -> NoReturn:
    """Says which setting makes no sense, and ends the program with code 64."""
    print(problem, file=sys.stderr)
    raise SystemExit(CONFIGURATION)


def serve(factory: str, port: int) -> None:
    """Serves what ``package.module:function`` makes, until SIGTERM; what is in hand is finished.

    On ``LISTEN``, or else on this port of 127.0.0.1. ``LOG_FORMAT`` is ``human`` or ``json``. With ``RELOAD=1`` it
    starts anew whenever its code changes: for development.
    """
    host, listen_port = _address(os.environ.get("LISTEN") or f"127.0.0.1:{port}")
    reload = os.environ.get("RELOAD") == "1"
    uvicorn.run(
        factory,
        factory=True,
        host=host,
        port=listen_port,
        access_log=False,
        log_config=to_stdout(os.environ.get("LOG_FORMAT", "human")),
        timeout_keep_alive=KEEP_ALIVE_SECS,
        timeout_graceful_shutdown=SHUTDOWN_SECS,
        reload=reload,
        reload_dirs=_sources("sea_mq", factory.partition(":")[0].partition(".")[0]) if reload else None,
    )


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not (host and port.isdigit() and int(port) < 65536):
        unusable("LISTEN: must be HOST:PORT, such as 127.0.0.1:7001")
    return host.strip("[]"), int(port)


def _sources(*packages: str) -> list[str]:
    found = [getattr(sys.modules.get(package), "__file__", None) for package in packages]
    return [str(Path(file).parent) for file in found if file]
