"""One log for everything: structlog's events and the standard library's, for people or for machines.

Law 7, no PHI: an exception's message is logged only when it is ours or the system's, since those of
libraries quote invalid values; loggers of libraries that print data sets are muted; local variables are
never shown.

The log goes to standard error. Errors and security events are kept in the data folder too.
"""

from __future__ import annotations

import fcntl
import logging
import logging.handlers
import os
import sys
import traceback
import warnings
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import structlog

from pacs.errors import PacsError

SECURITY = "security"
"""Name of the logger whose events are written to `security.log`."""

MUTED = {
    "pydicom": logging.CRITICAL,  # quotes unusual values
    "pynetdicom": logging.CRITICAL,  # prints identifiers
    "openjpeg": logging.CRITICAL,  # reports each tile; the answer says what failed
    "sqlalchemy": logging.WARNING,
    "alembic": logging.WARNING,
    "uvicorn": logging.WARNING,
    "asyncio": logging.WARNING,
}
KEPT_SIZE = 10 << 20
KEPT_FILES = 5

BROKEN_OFF = "ASGI callable returned without completing response."
"""What uvicorn logs of answers whose breaking off is logged already, with the reason."""

_TELLING = (PacsError, OSError, KeyboardInterrupt, SystemExit)


def configure(level: str, form: str, folder: Path | None = None, stream: TextIO | None = None) -> None:
    """Call once in each process before anything logs. `folder`: of the error and security logs."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _hide_messages,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    console = logging.StreamHandler(stream or sys.stderr)
    console.setFormatter(_formatter(shared, form, sys.stderr.isatty() if stream is None else False))
    handlers: list[logging.Handler] = [console]
    if folder is not None:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        handlers += _kept(folder, shared)
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    logging.getLogger(SECURITY).setLevel(logging.INFO)
    for name, least in MUTED.items():
        logging.getLogger(name).setLevel(least)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    warnings.simplefilter("ignore")


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != BROKEN_OFF


def _formatter(shared: list[Any], form: str, colors: bool) -> logging.Formatter:
    if form == "json":
        renderer: Any = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=colors,
            timestamp_key="ts",
            pad_event_to=34,
            exception_formatter=structlog.dev.plain_traceback,
        )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _logger_last, renderer],
    )


def _logger_last(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["logger"] = event.pop("logger", "")
    return event


def _hide_messages(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """`exc_info` becomes `exception`: the frames, the type, and the message where it may be logged."""
    info = event.pop("exc_info", None)
    if info:
        error = info if isinstance(info, BaseException) else (sys.exc_info() if info is True else info)[1]
        if error is not None:
            event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> str:
    """A traceback without the messages of libraries."""
    lines: list[str] = []
    for each in _chain(error):
        lines += traceback.format_tb(each.__traceback__)
        said = f": {each}" if isinstance(each, _TELLING) and str(each) else ""
        lines.append(f"{type(each).__module__}.{type(each).__qualname__}{said}\n")
    return "".join(lines).rstrip()


def _chain(error: BaseException) -> list[BaseException]:
    """The error and its causes, the oldest first."""
    found: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in found:
        found.insert(0, step)
        step = step.__cause__ or (None if step.__suppress_context__ else step.__context__)
    return found


def _kept(folder: Path, shared: list[Any]) -> list[logging.Handler]:
    errors = KeptFile(folder / "error.log")
    errors.setLevel(logging.ERROR)
    security = KeptFile(folder / "security.log")
    security.addFilter(logging.Filter(SECURITY))
    for handler in (errors, security):
        handler.setFormatter(_formatter(shared, "json", False))
    return [errors, security]


class KeptFile(logging.handlers.WatchedFileHandler):
    """A log file that many processes append to; whichever finds it full rotates it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # a full disk must not prevent logging to the console
            self._rotate_if_full()
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignored, as the console has the event."""

    def _open(self) -> Any:
        return open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), "a", encoding="utf-8")

    def _rotate_if_full(self) -> None:
        if not self._full():
            return
        lock = os.open(self._path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._full():  # no other process has rotated it meanwhile
                for number in range(KEPT_FILES - 1, 0, -1):
                    with suppress(FileNotFoundError):
                        os.replace(f"{self._path}.{number}", f"{self._path}.{number + 1}")
                os.replace(self._path, f"{self._path}.1")
        except BlockingIOError:
            pass  # another process is rotating it, or is frozen while doing so: never wait for a log
        finally:
            os.close(lock)

    def _full(self) -> bool:
        try:
            return self._path.stat().st_size >= KEPT_SIZE
        except FileNotFoundError:
            return False
