"""Nothing acknowledged is ever lost: processes killed, disk full, database gone, a node gone."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from tests.conformance.crash import assert_kept, crash_rounds
from tests.conformance.crash_web import assert_as_told, kill_rounds
from tests.conformance.senders import Modality, digest, get_study, small_ct, study_counts
from tests.conformance.server import Server
from tests.conformance.small_disk import small_disk
from tests.programs import needs
from tests.servers import cluster


def test_kill_minus_nine(fresh_server: Server) -> None:
    """The short form of `make soak`."""
    senders = crash_rounds(fresh_server, rounds=4)
    assert all(sender.acknowledged for sender in senders)
    assert_kept(fresh_server, senders)
    fresh_server.quick_command("verify")


def test_kill_minus_nine_of_a_single_process(fresh_server: Server) -> None:
    """While clients store, upload and delete over the web."""
    fresh_server.kill()
    fresh_server.environment["PACS_JOB_LEASE"] = "2"
    fresh_server.start()
    clients = kill_rounds(fresh_server, rounds=3, pause=0.3)
    assert_as_told(fresh_server, clients)
    fresh_server.quick_command("verify")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def test_disk_full_is_refused_and_recovers(disk: Path) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(b"\0" * (24 << 20))
    server = Server(disk / "data", settings={"PACS_FREE_SPACE_RESERVE": "0"})
    server.start()
    try:
        modality = Modality(server.dimse_port, generate_uid(), side=512)
        modality.send(60)  # 512 KiB each: more than fits
        assert modality.acknowledged
        assert set(modality.refused) == {0xA700}
        ballast.unlink()
        before = len(modality.acknowledged)
        modality.send(3)
        assert len(modality.acknowledged) == before + 3
        assert_kept(server, [modality])
        server.quick_command("verify")
    finally:
        server.stop()


def test_database_gone_for_ten_seconds(tmp_path: Path) -> None:
    with cluster() as database:
        server = Server(tmp_path / "data", settings={"PACS_DATABASE_URL": database.url})
        server.start()
        try:
            modality = Modality(server.dimse_port, generate_uid())
            stop = threading.Event()
            thread = threading.Thread(target=modality.run, args=(stop,))
            thread.start()
            wait_for(lambda: bool(modality.acknowledged))
            database.stop()
            assert server.live()
            assert not server.ready()
            time.sleep(10)  # as the name says
            database.start()
            wait_for(server.ready)
            before = len(modality.acknowledged)
            wait_for(lambda: len(modality.acknowledged) > before + 5)
            stop.set()
            thread.join(120)
            assert_kept(server, [modality])
        finally:
            server.stop()


def test_two_nodes_are_one_archive(network_settings: dict[str, str], tmp_path: Path) -> None:
    """Stored on one, found and retrieved on the other at once; one dies, the other does its jobs."""
    settings = {**network_settings, "PACS_QUIET_PERIOD": "2"}
    one, two = (Server(tmp_path / name, settings=settings) for name in ("one", "two"))
    one.start()
    two.start()
    try:
        modality = Modality(one.dimse_port, generate_uid())
        modality.send(5)
        assert study_counts(two.dimse_port, modality.study) == 5
        assert get_study(two.dimse_port, modality.study) == modality.acknowledged
        one.kill()
        elsewhere = Modality(two.dimse_port, modality.study)
        elsewhere.send(5)
        assert_kept(two, [modality, elsewhere])
        state = f"select state from studies where study_instance_uid = '{modality.study}'"
        wait_for(lambda: "unread" in two.sql(state))
    finally:
        one.stop()
        two.stop()


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)


@needs("storescu")
def test_the_same_object_four_times_in_parallel(server: Server, tmp_path: Path) -> None:
    """Four associations send the same bytes at once: both succeed, one instance, one version, one blob."""
    ds = small_ct(generate_uid(), generate_uid())
    path = tmp_path / "twin.dcm"
    ds.save_as(path, enforce_file_format=True)
    command = ["storescu", "-aec", "PACS", "127.0.0.1", str(server.dimse_port), str(path)]
    runs = [subprocess.Popen(command, env=os.environ) for _ in range(4)]
    assert [run.wait(120) for run in runs] == [0] * 4
    assert study_counts(server.dimse_port, ds.StudyInstanceUID) == 1
    assert stored_versions(server, ds.SOPInstanceUID) == 1


def test_other_bytes_under_a_known_uid_are_another_version(server: Server) -> None:
    """Both are kept, the first stays current, and feed and audit trail say so."""
    modality = Modality(server.dimse_port, generate_uid())
    ds = small_ct(modality.study, modality.series)
    assert modality.send_one(ds) == 0x0000
    first = digest(ds)
    ds.PixelData = bytes(len(ds.PixelData))
    assert modality.send_one(ds) == 0x0000
    assert stored_versions(server, ds.SOPInstanceUID) == 2
    assert get_study(server.dimse_port, modality.study) == {ds.SOPInstanceUID: first}
    assert "instance.version" in server.sql("select kind from changes")
    server.quick_command("audit", "verify")


def stored_versions(server: Server, uid: str) -> int:
    join = "versions join instances on instances.pk = versions.instance_pk"
    return len(server.sql(f"select versions.n from {join} where sop_instance_uid = '{uid}'").splitlines())
