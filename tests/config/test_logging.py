"""What is logged can be read by people and machines, and quotes no library's complaint about a value."""

from __future__ import annotations

import fcntl
import inspect
import io
import json
import logging
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from uvicorn.protocols.http import httptools_impl

from config import logging as house_logging
from pacs.errors import Damaged

JANE = "DOE^JANE"
LEVEL_OF = {name: logging.getLogger(name).level for name in house_logging.MUTED}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with warnings.catch_warnings():
        yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in LEVEL_OF.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_form_for_ours_and_theirs() -> None:
    stream = io.StringIO()
    house_logging.configure("info", "json", stream=stream)
    with structlog.contextvars.bound_contextvars(correlation_id="abc"):
        structlog.get_logger("t1").info("object stored", uid="1.2.3")
        logging.getLogger("library").warning("slow %s", "disk")
    structlog.get_logger("t2").debug("not shown")
    ours, theirs = lines(stream)
    assert ours["event"] == "object stored"
    assert (ours["uid"], theirs["event"]) == ("1.2.3", "slow disk")
    for line in (ours, theirs):
        assert {"ts", "level", "event", "correlation_id"} <= line.keys()
        assert line["correlation_id"] == "abc"


def test_a_librarys_message_is_kept_out_of_tracebacks() -> None:
    stream = io.StringIO()
    house_logging.configure("info", "json", stream=stream)
    try:
        try:
            int(JANE)
        except ValueError as error:
            raise Damaged("blob missing") from error
    except Damaged:
        structlog.get_logger("t3").exception("failed")
        logging.getLogger("library").exception("failed too")
    for line in lines(stream):
        assert "DOE" not in json.dumps(line)
        assert "ValueError" in line["exception"]
        assert "Damaged: blob missing" in line["exception"]
        assert "test_logging.py" in line["exception"]


def test_libraries_that_print_data_sets_are_muted() -> None:
    stream = io.StringIO()
    house_logging.configure("debug", "console", stream=stream)
    for name in ("pydicom", "pynetdicom.events", "pynetdicom._handlers", "sqlalchemy.engine.Engine"):
        logging.getLogger(name).info("PatientName DOE^JANE")
    for name in ("pydicom", "pynetdicom.dsutils", "openjpeg.encode"):
        logging.getLogger(name).error("PatientName DOE^JANE")
    warnings.warn("Invalid value for VR UI: 'DOE^JANE'", stacklevel=1)
    assert "DOE" not in stream.getvalue()


def test_uvicorn_does_not_repeat_that_an_answer_was_broken_off() -> None:
    """`pacs.http.problems` has said so, and why."""
    stream = io.StringIO()
    house_logging.configure("info", "json", stream=stream)
    theirs = logging.getLogger("uvicorn.error")
    theirs.error(house_logging.BROKEN_OFF)
    theirs.error("ASGI callable returned without starting response.")
    assert [line["event"] for line in lines(stream)] == ["ASGI callable returned without starting response."]
    assert house_logging.BROKEN_OFF in inspect.getsource(httptools_impl)


def test_errors_and_security_events_are_kept(tmp_path: Path) -> None:
    house_logging.configure("error", "console", tmp_path, stream=io.StringIO())
    structlog.get_logger("security").info("association rejected", address="192.0.2.1")
    structlog.get_logger("t4").error("disk failed")
    structlog.get_logger("t4").info("nothing")
    security = (tmp_path / "security.log").read_text().splitlines()
    errors = (tmp_path / "error.log").read_text().splitlines()
    assert [json.loads(line)["event"] for line in security] == ["association rejected"]
    assert [json.loads(line)["event"] for line in errors] == ["disk failed"]
    assert stat.S_IMODE((tmp_path / "security.log").stat().st_mode) & 0o037 == 0


def test_kept_files_are_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house_logging, "KEPT_SIZE", 500)
    monkeypatch.setattr(house_logging, "KEPT_FILES", 3)
    house_logging.configure("info", "json", tmp_path, stream=io.StringIO())
    log = structlog.get_logger("security")
    for number in range(100):
        log.info("event", number=number)
    assert sorted(path.name for path in tmp_path.glob("security.log*")) == [
        "security.log", "security.log.1", "security.log.2", "security.log.3"
    ]  # fmt: skip
    kept = [json.loads(line)["number"] for line in (tmp_path / "security.log.1").read_text().splitlines()]
    assert kept == sorted(kept) and len(kept) > 1
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 1000


def test_a_process_frozen_while_rotating_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All processes waited in their next error, for ever."""
    monkeypatch.setattr(house_logging, "KEPT_SIZE", 1)
    house_logging.configure("info", "json", tmp_path, stream=io.StringIO())
    log = structlog.get_logger("security")
    log.info("first")
    with (tmp_path / "security.lock").open("w") as frozen:
        fcntl.flock(frozen, fcntl.LOCK_EX)
        log.info("second")
    assert len((tmp_path / "security.log").read_text().splitlines()) == 2
    log.info("third")
    assert len((tmp_path / "security.log").read_text().splitlines()) == 1
