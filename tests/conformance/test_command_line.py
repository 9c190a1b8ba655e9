"""`pacs …` beside a running server and without one: registered peers, damage, disaster, the doctor."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from tests.conformance.server import Server
from tests.programs import needs
from tests.waiting import eventually

CT = Path(str(get_testdata_file("CT_small.dcm")))


@pytest.fixture
def alone(tmp_path: Path) -> Server:
    """Settings and a folder; no server is started."""
    return Server(tmp_path / "data")


def test_peers_are_registered_and_forgotten(server: Server) -> None:
    server.quick_command("ae", "add", "CT1", "--host", "localhost", "--port", "104", "--may", "store,find")
    assert re.search(r"^CT1 +localhost:104 +store,find +default$", server.quick_command("ae", "list"), re.M)
    assert "registered already" in server.quick_command("ae", "add", "CT1", code=1)
    server.quick_command("ae", "remove", "CT1")
    assert "not registered" in server.quick_command("ae", "remove", "CT1", code=1)


def test_the_data_folder_is_for_its_owner_and_group(server: Server) -> None:
    open_to_others = []
    for folder, folders, files in os.walk(server.data):
        for path in (folder, *(os.path.join(folder, name) for name in (*folders, *files))):
            with contextlib.suppress(FileNotFoundError):  # what is temporary may be gone by now
                if os.stat(path).st_mode & 0o027:
                    open_to_others.append(path)
    assert (server.data / "run").is_dir() and open_to_others == []


@pytest.mark.parametrize("title", ["A\\B", "A" * 17, "", "A\tB", "Ä"])
def test_titles_that_are_none_are_refused(alone: Server, title: str) -> None:
    assert "AE title" in alone.quick_command("ae", "add", title, code=2)


@pytest.mark.parametrize(
    "arguments", [("--may", "fly"), ("--host", "h"), ("--port", "104"), ("--host", "h", "--port", "0")]
)
def test_registrations_that_make_no_sense_are_refused(alone: Server, arguments: tuple[str, ...]) -> None:
    alone.quick_command("ae", "add", "CT1", *arguments, code=2)


def test_an_organisation_must_exist(alone: Server) -> None:
    def refused(code: str) -> str:
        return alone.quick_command("ae", "add", "CT1", "--organization", code, code=1)

    assert "there is no organisation nowhere; `pacs organization add nowhere` adds it" in refused("nowhere")
    assert "`pacs organization list` shows all" in refused("No where")


@needs("storescu")
def test_a_registered_peer_has_its_rights_only(server: Server, tmp_path: Path) -> None:
    server.quick_command("ae", "add", "VIEWER", "--may", "find")
    try:
        time.sleep(1.1)  # a registration is known everywhere after a second
        store = [
            "storescu",
            "-v",
            "-aet",
            "VIEWER",
            "-aec",
            "PACS",
            "localhost",
            str(server.dimse_port),
            str(CT),
        ]
        said = subprocess.run(store, capture_output=True, text=True, timeout=60)
        assert "0x124" in said.stdout + said.stderr
    finally:
        server.quick_command("ae", "remove", "VIEWER")


@pytest.mark.parametrize(
    "command",
    ["user list", "ae list", "ae remove X", "organization list", "jobs list", "verify", "audit verify"],
)
def test_nothing_is_begun_where_something_was_to_be_looked_at(tmp_path: Path, command: str) -> None:
    """In the wrong folder it made an empty archive, and told that there were no users."""
    nowhere = Server(tmp_path / "nowhere")
    said = nowhere.quick_command(*command.split(), code=1)
    assert "There is no archive here" in said and "pacs serve" in said
    assert not nowhere.data.exists()
    assert "A new archive begins in" in nowhere.quick_command("ae", "add", "CT1", "--may", "store")
    assert "begins" not in nowhere.quick_command("ae", "list")


def test_damage_is_named(alone: Server) -> None:
    alone.quick_command("import", str(CT))
    assert "No damage" in alone.quick_command("verify")
    (blob,) = (path for path in (alone.data / "blobs").rglob("*") if path.is_file())
    content = bytearray(blob.read_bytes())
    content[5000] ^= 1
    blob.chmod(0o640)
    blob.write_bytes(content)
    said = alone.quick_command("verify", code=1)
    assert said.count(blob.name) == 1 and "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322" in said
    alone.quick_command("import", "--again", str(CT))
    assert "No damage" in alone.quick_command("verify")


def test_damage_is_healed_by_the_same_data_set_with_another_file_header(
    alone: Server, tmp_path: Path
) -> None:
    alone.quick_command("import", str(CT))
    (blob,) = (path for path in (alone.data / "blobs").rglob("*") if path.is_file())
    blob.chmod(0o640)
    blob.write_bytes(blob.read_bytes().replace(b"CompressedSamples", b"DepressedSamples!"))
    assert blob.name in alone.quick_command("verify", code=1)
    other = tmp_path / "other.dcm"
    other.write_bytes(b"another preamble".ljust(128) + CT.read_bytes()[128:])
    alone.quick_command("import", str(other))
    assert "No damage" in alone.quick_command("verify")
    assert alone.sql("select count(*) from versions") == "(1,)"


def test_a_lost_index_is_built_from_the_objects(alone: Server) -> None:
    alone.quick_command("import", str(CT))
    for path in alone.data.glob("pacs.db*"):
        path.unlink()
    assert "1 objects entered" in alone.quick_command("reindex")
    assert "0 objects entered" in alone.quick_command("reindex")
    assert alone.sql("select count(*) from instances") == "(1,)"
    assert "No damage" in alone.quick_command("verify")


def test_an_altered_audit_record_is_named(alone: Server) -> None:
    alone.quick_command("ae", "add", "CT1")
    alone.quick_command("ae", "remove", "CT1")
    assert "intact" in alone.quick_command("audit", "verify")
    with sqlite3.connect(alone.data / "pacs.db") as database:
        guards = database.execute(
            "select name from sqlite_master where type = 'trigger' and tbl_name = 'audit'"
        )
        for (guard,) in guards.fetchall():
            database.execute(f"drop trigger {guard}")
        database.execute("update audit set resource = 'CT2' where seq = 1")
    assert "record 1" in alone.quick_command("audit", "verify", code=1)


def test_a_failed_job_is_shown_and_tried_again(alone: Server) -> None:
    alone.quick_command("import", str(CT))
    with sqlite3.connect(alone.data / "pacs.db") as database:
        database.execute("update jobs set state = 'failed', attempt = 12, last_error = 'Damaged'")
        ((number,),) = database.execute("select pk from jobs").fetchall()
    assert re.search(rf"^ +{number}  study.settle .*Damaged", alone.quick_command("jobs", "list"), re.M)
    alone.quick_command("jobs", "retry", str(number))
    assert "1 waiting, 0 running, 0 failed" in alone.quick_command("jobs", "list")
    assert "No failed job" in alone.quick_command("jobs", "retry", str(number), code=1)


def test_the_schema_is_shown_and_upgraded(alone: Server) -> None:
    assert "nothing yet" in alone.quick_command("db", "current", code=1)
    assert not (alone.data / "pacs.db").exists()
    alone.quick_command("db", "upgrade")
    newest = alone.quick_command("db", "current").split()[-1]
    assert f"at {newest}, newest {newest}" in alone.quick_command("db", "current")
    alone.quick_command("db", "downgrade", "--revision", "0001", "--yes")
    assert "pacs db upgrade" in alone.quick_command("db", "current", code=1)


def test_the_doctor_says_what_to_do(alone: Server, server: Server) -> None:
    assert "FAULT" not in alone.quick_command("doctor")
    alone.environment["PACS_DIMSE"] = server.environment["PACS_DIMSE"]
    alone.environment["PACS_FREE_SPACE_RESERVE"] = "900 TiB"
    said = alone.quick_command("doctor", code=1)
    assert (
        "is in use" in said
        and "held by another program" in said
        and "free some space" in said
        and "Traceback" not in said
    )


def test_the_doctor_knows_the_server_that_it_is_called_to(server: Server) -> None:
    said = server.quick_command("doctor")
    assert said.count("is held by this archive's server") == 2


def test_the_server_says_how_it_is(alone: Server, server: Server) -> None:
    def healthy() -> bool:
        with contextlib.suppress(AssertionError):  # a busy machine may not tell in time
            return server.command("health", "--ready").strip() == "healthy"
        return False

    eventually("it is healthy", healthy)
    assert "nothing answers" in alone.quick_command("health", code=1)


def test_the_doctor_on_what_is_not_there(alone: Server) -> None:
    alone.environment["PACS_DATABASE_URL"] = "postgresql+psycopg://pacs@127.0.0.1:1/pacs"
    said = alone.quick_command("doctor", code=1)
    assert "PACS_DATABASE_URL" in said and "Traceback" not in said
    assert "127.0.0.1" in said, "in the words of whoever refused"
    assert "pacs doctor" in alone.quick_command("ae", "list", code=1)


def _fails(server: Server, *command: str) -> str:
    """What starts children is a process of its own; of the others that process costs a second."""
    return server.refusal() if command == ("serve",) else server.quick_command(*command, code=1)


def test_a_schema_of_a_newer_version(alone: Server) -> None:
    alone.quick_command("db", "upgrade")
    with contextlib.closing(sqlite3.connect(alone.data / "pacs.db")) as database:
        database.execute("update alembic_version set version_num = '9999'")
        database.commit()
    for command in (("serve",), ("user", "list"), ("db", "current"), ("db", "upgrade"), ("doctor",)):
        said = _fails(alone, *command)
        assert "newer version" in said and "Traceback" not in said, command


def test_a_revision_that_is_none(alone: Server) -> None:
    alone.quick_command("db", "upgrade")
    for command in ("upgrade", "downgrade"):
        options = ["--yes"] if command == "downgrade" else []
        said = alone.quick_command("db", command, "--revision", "none", *options, code=1)
        assert "pacs db current" in said and "Traceback" not in said


def test_a_file_that_is_no_database(alone: Server) -> None:
    alone.data.mkdir()
    (alone.data / "pacs.db").write_bytes(b"no database" * 1000)
    alone.environment["PACS_DATABASE_PATIENCE"] = "0.1"
    for command in (("serve",), ("user", "list"), ("db", "current"), ("doctor",)):
        said = _fails(alone, *command)
        assert "not a database" in said and "Traceback" not in said, command


def test_a_database_in_a_folder_that_is_none(alone: Server) -> None:
    alone.environment["PACS_DATABASE_URL"] = f"sqlite:///{alone.data}/nowhere/pacs.db"
    for command in (("serve",), ("user", "list"), ("doctor",)):
        said = _fails(alone, *command)
        assert "nowhere" in said and "Traceback" not in said, command


def test_a_bucket_that_is_none(alone: Server, s3_endpoint: str) -> None:
    alone.environment |= {
        "PACS_BLOBS_URL": "s3://no-such-bucket",
        "PACS_S3_ENDPOINT": s3_endpoint,
        "PACS_S3_ACCESS_KEY": "testing",
        "PACS_S3_SECRET_KEY": "testing-testing",
    }
    said = alone.quick_command("doctor", code=1)
    assert re.search("FAULT objects in s3://no-such-bucket.*404", said), said


def test_secrets_are_masked(alone: Server) -> None:
    alone.environment["PACS_SECRET_KEY"] = "0123456789abcdef0123456789abcdef"
    said = alone.quick_command("config", "show")
    assert "0123456789abcdef" not in said
    assert re.search(r"PACS_SECRET_KEY +\*{8} +environment", said)


def test_work_that_comes_round_is_shown(server: Server) -> None:
    shown = server.quick_command("jobs", "list-schedules")
    assert re.search(r"audit\.verify +every 86400 s +default +next ", shown)
    assert re.search(r"deletion\.purge +30 days after", shown)
    assert all(
        re.search(rf"^{name} +every \d+ s  on each node", shown, re.M) for name in ("sweep", "tidy cache")
    )
