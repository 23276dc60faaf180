"""One line an event; never a payload, nor an error text that may quote one."""

import json
import logging
import traceback
from datetime import datetime, timezone
from typing import Any

from sea_mq.answer import Answer, Problem
from sea_mq.event import Call

log = logging.getLogger("sea_mq")

_FRAMES = 4


def say(call: Call, answer: Answer, took_secs: float, batch: int | None) -> None:
    """What came of an event."""
    level = logging.INFO if answer.status in (200, 409) else logging.WARNING
    if log.isEnabledFor(level):
        fields = {**about_call(call), "status": answer.status, "took_ms": round(took_secs * 1000, 1)}
        log.log(level, answer.why, extra={"fields": fields if batch is None else {**fields, "batch": batch}})


def about_call(call: Call) -> dict[str, Any]:
    """The fields by which a line is found again."""
    return {
        "message_id": str(call.message_id),
        "correlation_id": str(call.correlation_id),
        "consumer": call.consumer,
        "attempt": call.attempt,
        "event_type": call.event_type,
        "event_version": call.event_version,
    }


def about_failure(error: BaseException, problem: Problem | None = None) -> dict[str, Any]:
    """What failed and where, without the error's own text: databases and parsers quote what they refuse."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    fields = {
        "error": type(error).__name__,
        "at": " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames)),
    }
    if problem is not None:
        named = {"sqlstate": problem.sqlstate, "table": problem.table, "constraint": problem.constraint}
        fields.update({name: value for name, value in named.items() if value})
    return fields


class Line(logging.Formatter):
    """A record and its ``fields``, on one line."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """As JSON, or as words and ``name=value``."""
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        line = {"timestamp": at.replace("+00:00", "Z"), "level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            # Of the server's own code only; handlers are told by about_failure.
            line["exception"] = self.formatException(record.exc_info)
        fields = getattr(record, "fields", {})
        if self._as_json:
            return json.dumps({**line, **fields}, ensure_ascii=False)
        text = " ".join([*line.values(), *(f"{name}={_word(value)}" for name, value in fields.items())])
        return text.replace("\r", " ").replace("\n", " | ")


def _word(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text else text


def to_stdout(log_format: str) -> dict[str, Any]:
    """The logging of a service, as ``logging.config`` takes it: ``human``, or ``json``."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "sea_mq.log.Line", "as_json": log_format == "json"}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"}},
        "root": {"level": "INFO", "handlers": ["stdout"]},
        # It tells every loan of a connection.
        "loggers": {"psycopg.pool": {"level": "WARNING"}},
    }
