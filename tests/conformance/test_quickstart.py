"""The README's first minute, as a new user types it, and what must hold of a started server."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from config.cli import main
from tests.conformance.server import PACS, PATIENCE, Server, free_port
from tests.corpus import SHARED_DATA
from tests.programs import needs
from tests.waiting import eventually

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")

AS_TYPED = True

pytestmark = needs("storescu")


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study: three CT slices."""
    folder = tmp_path_factory.mktemp("ct")
    study, series = generate_uid(), generate_uid()
    for number in range(3):
        ds = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.PatientName, ds.PatientID = "Quickstart^Jane", "QS-4711"
        ds.InstanceNumber = number + 1
        del ds.DataSetTrailingPadding  # storescu would not send it
        ds.save_as(folder / f"slice{number}.dcm")
    return folder


@pytest.fixture(scope="module")
def ct(slices: Path) -> Path:
    corpus = SHARED_DATA / "ct"
    return corpus if corpus.is_dir() else slices


def typed(
    tool: str, server: Server, ct: Path, folder: Path, **placeholders: str
) -> subprocess.CompletedProcess[str]:
    """Run the README's line that begins with `tool`, with this server's ports."""
    (line,) = re.findall(rf"^{tool} .*$", README, re.MULTILINE)
    line = line.replace("11112", str(server.dimse_port)).replace("path/to/ct", shlex.quote(str(ct)))
    for name, value in placeholders.items():
        line = line.replace(name, value)
    return subprocess.run(
        shlex.split(line), cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=True
    )


def data_sets(folder: Path) -> dict[str, bytes]:
    """SOP Instance UID → the bytes of each file's data set."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                meta = pydicom.filereader.read_file_meta_info(path)
                file.seek(132 + 12 + meta.FileMetaInformationGroupLength)
                found[str(meta.MediaStorageSOPInstanceUID)] = file.read()
    return found


@contextmanager
def listening(received: Path) -> Iterator[int]:
    """DCMTK's storescp as WORKSTATION, writing the bytes that it gets into a folder that is there, as its
    user must make it; yields its port."""
    port = free_port()
    listener = subprocess.Popen(
        ["storescp", "+B", "-aet", "WORKSTATION", "+xa", "-od", str(received), str(port)],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(["echoscu", "localhost", str(port)], stderr=subprocess.DEVNULL).returncode:
            assert time.monotonic() < deadline
        yield port
    finally:
        listener.terminate()
        listener.wait()


def test_first_minute(server: Server, slices: Path, tmp_path: Path) -> None:
    for tool in ("echoscu", "storescu"):
        typed(tool, server, slices, tmp_path)
    found = typed("findscu", server, slices, tmp_path)
    (uid,) = {pydicom.dcmread(path).StudyInstanceUID for path in slices.iterdir()}
    assert uid in found.stdout + found.stderr
    typed("mkdir", server, slices, tmp_path)
    typed("getscu", server, slices, tmp_path, STUDY_UID=uid)
    assert data_sets(tmp_path / "fetched") == data_sets(slices)
    (folder,) = re.findall(r"^storescp .* -od (\S+) 11113$", README, re.MULTILINE)
    received = tmp_path / folder
    with listening(received) as port:
        (line,) = re.findall(r"^pacs (ae add WORKSTATION .*)$", README, re.MULTILINE)
        server.command(*line.replace("11113", str(port)).split())
        typed("movescu", server, slices, tmp_path, STUDY_UID=uid)
        server.quick_command("ae", "remove", "WORKSTATION")
    assert data_sets(received) == data_sets(slices)


def test_what_a_new_user_sends_comes_back(server: Server, ct: Path, tmp_path: Path) -> None:
    typed("storescu", server, ct, tmp_path)
    (tmp_path / "sent").mkdir()
    with listening(tmp_path / "sent") as port:  # what storescu makes of the files on the wire
        subprocess.run(
            ["storescu", "+sd", "+r", "localhost", str(port), str(ct)], check=True, timeout=PATIENCE
        )
    typed("mkdir", server, ct, tmp_path)
    for study in {str(pydicom.dcmread(path).StudyInstanceUID) for path in (tmp_path / "sent").iterdir()}:
        typed("getscu", server, ct, tmp_path, STUDY_UID=study)
    assert data_sets(tmp_path / "fetched") == data_sets(tmp_path / "sent")


def test_what_the_start_suggests_sends_a_folder_of_all_kinds(slices: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(slices, mixed)
    (mixed / "a note").write_text("nothing")
    compressed = pydicom.dcmread(str(get_testdata_file("MR_small_RLE.dcm")))
    compressed.save_as(mixed / "b.dcm")
    server = Server(tmp_path / "data", {"PACS_LOG_FORMAT": "console"})
    server.start()
    try:
        (line,) = re.findall(r"^  Try     (.*)$", server.output(), re.MULTILINE)
        command = shlex.split(line.replace("FOLDER", shlex.quote(str(mixed))))
        subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
        found = typed("findscu", server, slices, tmp_path)
    finally:
        server.stop()
    for file in mixed.glob("*.dcm"):
        assert pydicom.dcmread(file).StudyInstanceUID in found.stdout + found.stderr


def test_import_beside_the_server_keeps_files_byte_for_byte(
    server: Server, slices: Path, tmp_path: Path
) -> None:
    server.command("import", str(slices))
    again = tmp_path / "export.zip"
    shutil.make_archive(str(again.with_suffix("")), "zip", slices)
    for number, path in enumerate(slices.iterdir()):
        ds = pydicom.dcmread(path)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.save_as(tmp_path / f"more{number}.dcm")
    (tmp_path / "notes.txt").write_text("nothing")
    said = server.quick_command("import", str(tmp_path))
    assert re.search(r"\b3  new", said)
    assert re.search(r"\b1  not DICOM", said)
    assert re.search(r"\b4  imported before|\b3  (already in the archive|new)", said)
    again_said = server.quick_command("import", str(tmp_path))
    assert re.search(r"\b6  imported before", again_said)
    assert " new" not in again_said
    assert "No damage" in server.quick_command("verify")


def test_no_patient_in_any_log(server: Server, slices: Path, tmp_path: Path) -> None:
    typed("storescu", server, slices, tmp_path)
    ask = ["findscu", "-S", "-aec", "PACS", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=Quick*"]
    asked = [*ask, "-k", "PatientID=QS-4711", "localhost", str(server.dimse_port)]
    assert b"QS-4711" in subprocess.run(asked, capture_output=True, timeout=PATIENCE, check=True).stderr
    broken = tmp_path / "broken.dcm"
    broken.write_bytes((slices / "slice0.dcm").read_bytes()[:1500])
    subprocess.run(
        ["storescu", "-aec", "PACS", "localhost", str(server.dimse_port), str(broken)], capture_output=True
    )
    logs = [server.log, *(server.data / "log").rglob("*.log*")]
    for log in logs:
        text = log.read_text("utf-8", "replace")
        assert "Quickstart" not in text and "QS-4711" not in text, log


def test_counters_are_exact(server: Server) -> None:
    def count() -> float:
        _, page = server.get("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(page.text)
            for sample in family.samples
            if sample.name == "pacs_dimse_operations_total"
            and sample.labels == {"op": "C-ECHO", "status": "0000"}
        )

    before = count()
    for _ in range(5):
        echo = ["echoscu", "-aec", "PACS", "localhost", str(server.dimse_port), "--repeat", "3"]
        subprocess.run(echo, check=True, timeout=PATIENCE)
    assert count() - before == 15


def test_a_wrong_called_title_is_refused(server: Server) -> None:
    refused = ["echoscu", "-aec", "NOBODY", "localhost", str(server.dimse_port)]
    said = subprocess.run(refused, capture_output=True, text=True, timeout=PATIENCE)
    assert said.returncode != 0
    assert "Called AE Title Not Recognized" in said.stderr
    log, deadline = server.data / "log" / "security.log", time.monotonic() + PATIENCE
    while not log.exists() or "NOBODY" not in log.read_text():  # written beside the answer
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ports_in_use_are_said_in_one_message(server: Server, tmp_path: Path) -> None:
    taken = {name: server.environment[name] for name in ("PACS_DIMSE", "PACS_HTTP")}
    said = Server(tmp_path / "second", taken).refusal()
    for name, where in taken.items():
        assert f"{where} is in use" in said and name in said
    assert "Traceback" not in said


def test_bad_settings_are_said_in_one_message(tmp_path: Path) -> None:
    second = Server(tmp_path / "second", {"PACS_COLOUR": "red", "PACS_LOG_LEVEL": "loud"})
    said = second.refusal()
    assert "PACS_COLOUR" in said and "PACS_LOG_LEVEL" in said and "Traceback" not in said


def test_at_rest_it_is_small(server: Server) -> None:
    assert server.memory() < 250 << 20


def test_each_process_is_replaced_when_it_dies(fresh_server: Server, slices: Path, tmp_path: Path) -> None:
    parent = fresh_server.processes()[0]
    children = parent.children()
    for process in children:
        process.kill()
        process.wait(PATIENCE)
        eventually("another takes its place", lambda: len(parent.children()) == len(children), 0.05)
        eventually("they are ready", fresh_server.ready, 0.05)
        typed("storescu", fresh_server, slices, tmp_path)
    assert fresh_server.output().count("process died") == len(children)


def test_a_message_under_way_is_finished_before_the_end(fresh_server: Server, slices: Path) -> None:
    """SIGTERM between two C-STOREs of one association: the one under way is answered."""
    many = [str(path) for path in slices.iterdir()] * 30
    sending = subprocess.Popen(
        ["storescu", "-v", "-aec", "PACS", "localhost", str(fresh_server.dimse_port), *many],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert sending.stderr is not None
    for line in sending.stderr:
        if "Success" in line:
            break
    fresh_server.stop()
    rest = sending.stderr.read()
    sending.wait(PATIENCE)
    sent, answered = rest.count("Sending file"), rest.count("Received Store Response")
    assert sent - answered <= 1


def test_the_command_line_tells_its_help() -> None:
    done = subprocess.run([*PACS, "--help"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and "Usage: pacs" in done.stdout
    commands = ("serve", "import", "ae add", "verify", "reindex", "audit verify", "jobs retry", "doctor")
    for command in (*commands, "health"):
        told = CliRunner().invoke(main, [*command.split(), "--help"], prog_name="pacs")
        assert told.exit_code == 0 and "Usage: pacs" in told.output


@needs("curl")
def test_every_curl_line_of_the_readme(server: Server, ct: Path, tmp_path: Path) -> None:
    typed("storescu", server, ct, tmp_path)
    web = server.web()
    study = web.get("/dicom-web/studies?limit=1").json()[0]["0020000D"]["Value"][0]
    shutil.copy(get_testdata_file("CT_small.dcm"), tmp_path / "image.dcm")
    Image.new("RGB", (40, 30)).save(tmp_path / "wound.jpg")
    lines = re.findall(r"^curl .*$", README, re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        line = line.replace("localhost:8080", f"127.0.0.1:{server.http_port}").replace("STUDY_UID", study)
        environment = {**server.environment, "TOKEN": server.token(role="user")}
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, timeout=PATIENCE
        )
        assert done.returncode == 0, f"{line}\n{done.stderr.decode()}"
    assert (tmp_path / "thumbnail.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert (tmp_path / "study.zip").read_bytes()[:2] == b"PK"
