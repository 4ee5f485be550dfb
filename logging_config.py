"""Logging: lines as text for people or as JSON for machines.

Importing this module does nothing; the server calls `configure_logging`, the application does not.
A line that belongs to a request carries what app/api/http/request_logging.py set: its id, method,
route, and user if known.
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

# C0, DEL, C1 and Unicode's two line separators: some programs take them for line ends or commands.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NEEDS_QUOTES = re.compile(r'[\s"=]|^$')
_INDENT = "\n    "
_FIRST_FIELDS = ("method", "route", "path", "status", "duration_ms", "user_id", "request_id")
_WITH_USER = " ".join(f"{name}=%({name})s" for name in _FIRST_FIELDS if name != "path")
_WITHOUT_USER = _WITH_USER.replace("user_id=%(user_id)s ", "")


def configure_logging(log_format: str, level: str) -> None:
    """Give all lines of this process, the server's too, the same format."""
    dictConfig(logging_settings(log_format, level))
    # No line shows these, so do not look them up: see "Optimization" in logging's documentation.
    logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None


def logging_settings(log_format: str, level: str) -> dict[str, Any]:
    """Return the settings for logging.config.dictConfig."""
    render: list[Processor] = [EventRenamer("message"), JSONRenderer()]
    lines = {
        "()": ProcessorFormatter,
        "foreign_pre_chain": [
            TimeStamper(fmt="iso"),
            add_log_level,
            add_logger_name,
            ExtraAdder(),
            _add_request_context,
            _add_thread,
            format_exc_info,
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
            "psycopg": {"level": "ERROR"},  # it warns of what it raises as well
        },
    }


class UnbufferedHandler(logging.StreamHandler[TextIO]):
    """Writes each line to the stream's file descriptor at once, past the stream's buffer."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            self.write(self.format(record))
        except Exception:  # noqa: BLE001  as all handlers of logging do
            self.handleError(record)

    def write(self, line: str) -> None:
        """Write a line and its terminator."""
        remaining = (line + self.terminator).encode(errors="backslashreplace")
        while remaining:
            remaining = remaining[os.write(self.stream.fileno(), remaining) :]


class AccessLogHandler(UnbufferedHandler):
    """Writes access log lines of known routes in few steps; passes all others to the root logger.

    Structlog's chain took longer for a line than an inference: docs/decisions/0017. The result is
    the same, as tests/integration/test_logs.py checks.
    """

    def __init__(self, stream: TextIO, *, is_json: bool) -> None:
        super().__init__(stream)
        self._is_json = is_json

    @override
    def handle(self, record: logging.LogRecord) -> bool:
        """Write a line without the handler's lock, because one system call writes it."""
        if "route" in record.__dict__["log_context"]:
            self.emit(record)
        else:
            logging.getLogger().callHandlers(record)
        return True

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return a line without its end. Nothing needs quotes: the route is ours, the id safe."""
        context = record.__dict__["log_context"]
        at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        if not self._is_json:
            pairs = _WITH_USER if "user_id" in context else _WITHOUT_USER
            return f"{at} {record.levelname} {record.msg} {pairs % context}"
        fields = {"timestamp": at, "level": record.levelname.lower(), "logger": record.name}
        return orjson.dumps(fields | {"message": record.msg} | context).decode()


def as_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Render a line for people: time, level, message, then the rest as name=value.

    Logged text cannot end a line or forge another one; a traceback follows, indented.
    """
    start = f"{event.pop('timestamp')} {event.pop('level').upper()} {_escape(event.pop('event'))}"
    exception = str(event.pop("exception", ""))
    event.pop("logger")
    names = sorted(
        event,
        key=lambda name: _FIRST_FIELDS.index(name) if name in _FIRST_FIELDS else len(_FIRST_FIELDS),
    )
    pairs = [f"{name}={_quote(event[name])}" for name in names]
    traceback = [_escape(line) for line in exception.split("\n") if exception]
    return _INDENT.join([" ".join([start, *pairs]), *traceback])


def _add_request_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the request of a line: its own if it is an access log line, else the current one."""
    context = event.pop("log_context", None)
    if context is None and has_request_context():
        context = g.get("log_context")
    return {**(context or {}), **event}


def _add_thread(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the name of a background thread; for a request, its id says more."""
    record: logging.LogRecord = event["_record"]
    if record.threadName != "MainThread" and "request_id" not in event:
        event["thread"] = record.threadName
    return event


def _escape(text: object) -> str:
    return _CONTROLS.sub(lambda match: repr(match.group())[1:-1], str(text))


def _quote(value: object) -> str:
    text = _escape(value)
    return '"{}"'.format(text.replace('"', '\\"')) if _NEEDS_QUOTES.search(text) else text
