"""How log lines look, as text for people or as JSON for machines; for the server that serves.

Nothing is done at import, and the application itself sets no logging up. A line of a request
carries what app/api/http/request_logging.py noted: its id, method, route, and user if known.
"""

import logging
import os
import re
from datetime import UTC, datetime
from logging.config import dictConfig
from typing import Any, TextIO

import orjson
from flask import g, has_request_context
from structlog.processors import (
    EventRenamer,
    JSONRenderer,
    TimeStamper,
    format_exc_info,
)
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.types import EventDict, Processor, WrappedLogger
from typing_extensions import override

# C0, DEL, C1, and Unicode's two: what some program takes for the end of a line, or for a command.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NEEDS_QUOTES = re.compile(r'[\s"=]|^$')
_INDENT = "\n    "
_FIRST_FIELDS = ("method", "route", "path", "status", "duration_ms", "user_id", "request_id")
_WITH_USER = " ".join(f"{name}=%({name})s" for name in _FIRST_FIELDS if name != "path")
_WITHOUT_USER = _WITH_USER.replace("user_id=%(user_id)s ", "")


def configure_logging(log_format: str, level: str) -> None:
    """Have every line of this process, the server's too, look one way."""
    dictConfig(logging_settings(log_format, level))
    # What no line here tells need not be found out for each: see "Optimization" in logging's docs.
    logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None


def logging_settings(log_format: str, level: str) -> dict[str, Any]:
    """What logging.config.dictConfig takes for that."""
    render: list[Processor] = [EventRenamer("message"), JSONRenderer()]
    lines = {
        "()": ProcessorFormatter,
        "foreign_pre_chain": [
            *(TimeStamper(fmt="iso"), add_log_level, add_logger_name),
            *(ExtraAdder(), _add_request_context, _add_thread, format_exc_info),
        ],
        "processors": [
            ProcessorFormatter.remove_processors_meta,
            *(render if log_format == "json" else [as_text]),
        ],
    }
    stderr = {"()": UnbufferedHandler, "formatter": "lines", "stream": "ext://sys.stderr"}
    requests = {
        "()": AccessLogHandler,
        "is_json": log_format == "json",
        "stream": "ext://sys.stderr",
    }
    through_root = {"level": level.upper(), "handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": lines},
        "handlers": {"stderr": stderr, "requests": requests},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            "cifra.access": {"handlers": ["requests"], "propagate": False},
            "gunicorn.error": through_root,
            "gunicorn.access": through_root,
            "alembic": {"level": "WARNING"},
            "PIL": {"level": "INFO"},
        },
    }


class UnbufferedHandler(logging.StreamHandler[TextIO]):
    """Writes each line to the stream's file at once, past what the stream would do with it."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            self.write(self.format(record))
        except Exception:  # noqa: BLE001  what handlers do about their own errors
            self.handleError(record)

    def write(self, line: str) -> None:
        """Write a line that has no end yet."""
        left = (line + self.terminator).encode(errors="backslashreplace")
        while left:
            left = left[os.write(self.stream.fileno(), left) :]


class AccessLogHandler(UnbufferedHandler):
    """Writes the line of each request at a known route, in few steps; hands all others on."""

    def __init__(self, stream: TextIO, *, is_json: bool) -> None:
        super().__init__(stream)
        self._is_json = is_json

    @override
    def handle(self, record: logging.LogRecord) -> bool:
        """Write a line; as one call does it, nobody has to wait for others."""
        if "route" in record.__dict__["asked"]:
            self.emit(record)
        else:
            logging.getLogger().callHandlers(record)
        return True

    @override
    def format(self, record: logging.LogRecord) -> str:
        """A line, without its end. Nothing in it needs quotes: the route is ours, the id plain."""
        asked = record.__dict__["asked"]
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        if not self._is_json:
            pairs = _WITH_USER if "user_id" in asked else _WITHOUT_USER
            return f"{at} {record.levelname} {record.msg} {pairs % asked}"
        told = {"timestamp": at, "level": record.levelname.lower(), "logger": record.name}
        return orjson.dumps(told | {"message": record.msg} | asked).decode()


def as_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Render a line for people: time, level, message, then the rest as name=value.

    What is logged cannot end a line or look like another one; a traceback follows, indented.
    """
    said = f"{event.pop('timestamp')} {event.pop('level').upper()} {_escape(event.pop('event'))}"
    exception = str(event.pop("exception", ""))
    event.pop("logger")
    names = sorted(
        event,
        key=lambda name: _FIRST_FIELDS.index(name) if name in _FIRST_FIELDS else len(_FIRST_FIELDS),
    )
    pairs = [f"{name}={_quote(event[name])}" for name in names]
    traceback = [_escape(line) for line in exception.split("\n") if exception]
    return _INDENT.join([" ".join([said, *pairs]), *traceback])


def _add_request_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Say which request a line is of: the one whose own line it is, or the one being answered."""
    asked = event.pop("asked", None)
    if asked is None and has_request_context():
        asked = g.get("asked")
    return {**(asked or {}), **event}


def _add_thread(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Say which background thread speaks; of a request, its id says more."""
    record: logging.LogRecord = event["_record"]
    if record.threadName != "MainThread" and "request_id" not in event:
        event["thread"] = record.threadName
    return event


def _escape(text: object) -> str:
    return _CONTROLS.sub(lambda found: repr(found.group())[1:-1], str(text))


def _quote(value: object) -> str:
    text = _escape(value)
    return '"{}"'.format(text.replace('"', '\\"')) if _NEEDS_QUOTES.search(text) else text
