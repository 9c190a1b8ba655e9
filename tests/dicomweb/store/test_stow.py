"""The Store transaction against an archive of its own: results by instance, streaming, hostile bodies."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacs.actor import system_actor
from storage.database import Database
from tests.dicomweb.storing import (
    FAILED,
    OTHER,
    REFERENCED,
    RETRIEVE_URL,
    STUDIES,
    Storing,
    ct,
    multipart,
    part10,
    storing,
)

BASE = "http://testserver/dicom-web/studies"


def uids(report: dict[str, Any], sequence: str) -> list[str]:
    return [item["00081155"]["Value"][0] for item in report.get(sequence, {"Value": []})["Value"]]


def reasons(report: dict[str, Any], sequence: str) -> list[int]:
    return [item["00081197"]["Value"][0] for item in report[sequence]["Value"]]


def test_all_stored(world: Storing) -> None:
    slices = [ct() for _ in range(12)]
    answer = world.post(multipart([part10(ds) for ds in slices]))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    report = answer.json()
    assert uids(report, REFERENCED) == [ds.SOPInstanceUID for ds in slices]
    assert report[RETRIEVE_URL] == {"vr": "UR", "Value": [f"{BASE}/1.2.3"]}
    first = report[REFERENCED]["Value"][0]
    assert first == {
        "00081150": {"vr": "UI", "Value": [slices[0].SOPClassUID]},
        "00081155": {"vr": "UI", "Value": [slices[0].SOPInstanceUID]},
        "00081190": {
            "vr": "UR",
            "Value": [f"{BASE}/1.2.3/series/1.2.3.1/instances/{slices[0].SOPInstanceUID}"],
        },
    }
    assert FAILED not in report and OTHER not in report
    assert world.instances() == 12 and world.spool_empties()


def test_two_studies_have_no_url_in_common(world: Storing) -> None:
    report = world.post(multipart([part10(ct("1.2.3")), part10(ct("1.2.4"))])).json()
    assert RETRIEVE_URL not in report and len(report[REFERENCED]["Value"]) == 2


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_the_file_is_kept_byte_for_byte(world: Storing, newline: bytes) -> None:
    ds = ct()
    file = part10(ds)
    assert world.post(multipart([file], newline=newline)).status_code == 200
    stored = next(world.archive.retrieve(system_actor("test"), "1.2.3", None, ds.SOPInstanceUID))
    with world.archive.open(stored) as reader:
        assert b"".join(reader.chunks()) == file


@pytest.mark.parametrize("kind", ["application/dicom", "application/octet-stream", "application/DICOM", None])
def test_what_senders_call_an_instance(world: Storing, kind: str | None) -> None:
    assert world.post(multipart([part10(ct())], kind)).status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        'multipart/related; type="application/dicom"; boundary="b"',
        "multipart/related; type=application/dicom; boundary=b",
        'multipart/related;boundary="b";type=application/dicom;transfer-syntax=1.2.840.10008.1.2.1',
        "Multipart/Related; boundary=b",
    ],
)
def test_content_types_of_senders(world: Storing, kind: str) -> None:
    body = multipart([part10(ct())])
    answer = world.client.post(STUDIES, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 200


def test_a_single_part_is_the_body(world: Storing) -> None:
    answer = world.client.post(STUDIES, content=part10(ct()), headers={"Content-Type": "application/dicom"})
    assert answer.status_code == 200 and world.instances() == 1


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/related; type=application/dicom; boundary=b", b"", 400),
        ("multipart/related; type=application/dicom; boundary=b", b"--b--", 400),
        ("multipart/related; type=application/dicom; boundary=b", b"nothing of the kind", 400),
        ("multipart/related; type=application/dicom", b"--b--", 400),
        ("application/dicom", b"", 400),
        ("", b"x", 415),
        ("text/plain", b"x", 415),
        ("multipart/form-data; boundary=b", b"--b--", 415),
        ("multipart/related; type=text/html; boundary=b", b"--b--", 415),
    ],
)
def test_what_is_no_store_request(world: Storing, kind: str, body: bytes, status: int) -> None:
    answer = world.client.post(STUDIES, content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.json()["status"] == "error" and answer.json()["correlation_id"]


def test_a_compressed_body_is_refused_as_such(world: Storing) -> None:
    kind = {"Content-Type": "application/dicom"}
    for coding, status, taken in (("gzip", 415, "identity"), ("identity", 200, None)):
        headers = {**kind, "Content-Encoding": coding}
        answer = world.client.post(STUDIES, content=part10(ct()), headers=headers)
        assert (answer.status_code, answer.headers.get("accept-encoding")) == (status, taken)


def test_an_answer_nobody_can_give_is_refused_before_anything_is_stored(world: Storing) -> None:
    assert world.post(multipart([part10(ct())]), Accept="image/png").status_code == 406
    assert world.instances() == 0


def test_another_study_is_refused(world: Storing) -> None:
    right, wrong = ct("1.2.3"), ct("1.2.4")
    answer = world.post(multipart([part10(wrong)]), path="/1.2.3")
    assert answer.status_code == 409
    assert uids(answer.json(), FAILED) == [wrong.SOPInstanceUID] and reasons(answer.json(), FAILED) == [
        0xA900
    ]
    assert world.instances() == 0 and world.spool_empties()
    both = world.post(multipart([part10(wrong), part10(right)]), path="/1.2.3")
    assert both.status_code == 202
    assert uids(both.json(), REFERENCED) == [right.SOPInstanceUID]
    assert uids(both.json(), FAILED) == [wrong.SOPInstanceUID]
    assert world.sql("SELECT study_instance_uid FROM studies") == [("1.2.3",)]
    assert world.post(multipart([part10(right)]), path="/not-a-uid").status_code == 400


def test_what_cannot_be_understood_is_named_as_far_as_possible(world: Storing) -> None:
    nameless = ct()
    del nameless.StudyInstanceUID
    answer = world.post(multipart([b"noise", part10(nameless), part10(ct()), b""]))
    assert answer.status_code == 202
    report = answer.json()
    assert reasons(report, OTHER) == [0xC000, 0xC000]
    assert uids(report, FAILED) == [nameless.SOPInstanceUID] and reasons(report, FAILED) == [0xA900]
    assert world.instances() == 1 and world.spool_empties()


def test_a_part_of_another_type_is_refused(world: Storing) -> None:
    answer = world.post(multipart([b"hello"], "text/plain"))
    assert answer.status_code == 409 and reasons(answer.json(), OTHER) == [0xC000]


def test_a_resend_succeeds_and_other_bytes_become_a_version(world: Storing) -> None:
    ds = ct()
    body = multipart([part10(ds)])
    assert [world.post(body).status_code for _ in range(2)] == [200, 200]
    ds.PixelData = bytes(len(ds.PixelData))
    changed = world.post(multipart([part10(ds)]))
    assert changed.status_code == 202
    item = changed.json()[REFERENCED]["Value"][0]
    assert item["00081196"] == {"vr": "US", "Value": [0xB000]}
    assert FAILED not in changed.json()
    assert world.instances() == 1 and world.sql("SELECT count(*) FROM versions") == [(2,)]


def test_too_large_is_413_and_leaves_nothing(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    with storing(database, tmp_path, max_object=4096) as world:
        large = world.post(multipart([part10(ct()), part10(ct(side=1024))]))
        assert large.status_code == 413 and reasons(large.json(), FAILED) == [0xC001, 0xC001]
        some = world.post(multipart([part10(ct(side=8)), part10(ct(side=1024))]))
        assert some.status_code == 202 and world.instances() == 1
        assert world.spool_empties()
    database.close()


def test_refusals_are_audited_with_the_correlation_id(world: Storing) -> None:
    wrong = ct("1.2.4")
    answer = world.post(
        multipart([part10(wrong), part10(ct())]), path="/1.2.3", **{"X-Correlation-ID": "abc-1"}
    )
    assert answer.headers["X-Correlation-ID"] == "abc-1"
    found = world.audited(2)
    assert [row[:3] for row in found] == [("store", "success", "abc-1"), ("store", "failure", "abc-1")]
    assert wrong.SOPInstanceUID in str(found[1][3]) and "DATA_SET_MISMATCH" in str(found[1][3])


def test_a_body_that_breaks_off_keeps_what_was_whole(world: Storing) -> None:
    body = multipart([part10(ct()), part10(ct())])
    answer = world.post(body[:-200])
    assert answer.status_code == 202
    assert len(answer.json()[REFERENCED]["Value"]) == 1 and reasons(answer.json(), OTHER) == [0xC000]
    assert world.instances() == 1 and world.spool_empties()


def drive(world: Storing, chunks: list[bytes | None]) -> list[dict[str, Any]]:
    """A request in exactly these chunks; None: the client is gone."""
    pending, sent = list(chunks), list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        chunk = pending.pop(0) if pending else b""
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(pending)}

    async def send(message: Any) -> None:
        sent.append(message)

    kind = b"multipart/related; type=application/dicom; boundary=b"
    scope = {
        "type": "http",
        "method": "POST",
        "path": STUDIES,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", kind), (b"host", b"testserver")],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "scheme": "http",
    }
    asyncio.run(world.app(scope, receive, send))
    return sent


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
def test_every_chunking_stores_the_same(world: Storing, size: int) -> None:
    body = multipart([part10(ct(side=16)), part10(ct(side=16))])
    sent = drive(world, [body[i : i + size] for i in range(0, len(body), size)])
    assert sent[0]["status"] == 200 and world.instances() == 2


@pytest.mark.parametrize("side", [64, 2048])  # below and above what is gathered in memory
def test_a_client_gone_half_way_leaves_nothing_of_the_unfinished(world: Storing, side: int) -> None:
    whole, half = part10(ct()), part10(ct(side=side))
    body = multipart([whole, half])
    arrived = body[:-2000]
    drive(world, [*(arrived[i : i + 65536] for i in range(0, len(arrived), 65536)), None])
    assert world.instances() == 1 and world.spool_empties()
    assert world.sql("SELECT count(*) FROM blobs") == [(1,)]


pieces = st.sampled_from(
    [
        b"--b\r\n",
        b"--b--",
        b"\r\n",
        b"\n",
        b"\r\n--b\r\n\r\n",
        b"Content-Type: application/dicom\r\n",
        b"Content-Type: \xff\r\n",
        b"DICM",
        b"\0" * 200,
        b":",
        b"\x02\x00\x10\x00UI\x04\x001.2\0",
        part10(ct(side=2)),
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pieces | st.binary(max_size=40), max_size=8), st.integers(1, 50))
def test_fuzzed_bodies_are_answered(world: Storing, pieces: list[bytes], cut: int) -> None:
    body = b"".join(pieces)
    sent = drive(world, [body[i : i + cut] for i in range(0, len(body), cut)])
    assert sent[0]["status"] in (200, 202, 400, 409)
    assert world.spool_empties()
