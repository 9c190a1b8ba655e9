"""Metadata resources: what they say, in which form, and that they are never stale."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset, Sequence, dcmread
from sqlalchemy import text

from pacs.model import Identity
from storage.database import Database
from storage.study_management.deleting import DeletionRequest, delete_objects
from tests.dicomweb.retrieving import OURS, World, image, parts, path_to, retrieving
from tests.storage.world import rows

STUDY, SERIES = "/studies/1.2.3.1", "/studies/1.2.3.1/series/1.2.3.1.1"


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    database = Database(database_url)
    with retrieving(database, tmp_path / "blobs") as opened:
        yield opened
    database.close()


def stored(world: World, count: int = 3) -> list[Identity]:
    """They are prepared too, which nobody waits for but a test."""
    identities = [world.store(image(number)).identity for number in range(1, count + 1)]
    deadline = time.monotonic() + 60
    while kept(world) < count:
        assert time.monotonic() < deadline, "not prepared"
        time.sleep(0.01)
    return identities


def listed(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def uids(answer: httpx.Response) -> list[str]:
    return [each["00080018"]["Value"][0] for each in listed(answer)]


def forget(world: World) -> None:
    with world.database.write() as connection:
        connection.execute(text("DELETE FROM prepared_metadata"))


def unready(world: World) -> httpx.Response:
    """Of the study, whoever asked before."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("pacs.http.body_cache.BodyCache.get", lambda *key: None)
        return world.get(f"{STUDY}/metadata")


def kept(world: World) -> int:
    return len(rows(world.database, "SELECT * FROM prepared_metadata"))


def test_three_levels_in_the_order_of_numbers(world: World) -> None:
    for number in (3, 1, 2):
        world.store(image(number))
    assert uids(world.get(f"{STUDY}/metadata")) == ["1.2.3.1.1.1", "1.2.3.1.1.2", "1.2.3.1.1.3"]
    assert uids(world.get(f"{SERIES}/metadata")) == ["1.2.3.1.1.1", "1.2.3.1.1.2", "1.2.3.1.1.3"]
    assert uids(world.get(f"{SERIES}/instances/1.2.3.1.1.2/metadata")) == ["1.2.3.1.1.2"]


def test_it_says_what_the_object_says(world: World) -> None:
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTExplanation = [4, 0, 16], "Straße"
    lut.LUTData = bytes(8)
    lut["LUTData"].VR = "OW"
    data = image(1, VOILUTSequence=[lut], SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    identity = world.store(data).identity
    (said,) = listed(world.get(f"{path_to(identity)}/metadata"))
    expected = dcmread(BytesIO(data)).to_json_dict(bulk_data_threshold=1 << 20)
    expected["00080005"]["Value"] = ["ISO_IR 192"]
    uri = said.pop("7FE00010")["BulkDataURI"]
    del expected["7FE00010"]
    assert said == expected
    assert said["00283010"]["Value"][0]["00283003"]["Value"] == ["Straße"]
    assert uri == f"http://testserver/dicom-web{path_to(identity)}/bulkdata/7FE00010"
    assert world.client.get(uri).content == bytes(range(24))


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/dicom+json", "application/json;q=0.5, */*;q=0.1"]
)
def test_json(world: World, accept: str | None) -> None:
    stored(world)
    answer = world.get(f"{STUDY}/metadata", accept)
    kind = "application/json" if accept and "q=0.5" in accept else "application/dicom+json"
    assert answer.headers["content-type"] == kind
    assert len(listed(answer)) == 3


def test_xml_says_the_same(world: World) -> None:
    stored(world)
    answer = world.get(f"{STUDY}/metadata", 'multipart/related; type="application/dicom+xml"')
    found = parts(answer)
    assert [head["content-type"] for head, _ in found] == ["application/dicom+xml"] * 3
    for (_, body), uid in zip(found, ("1.2.3.1.1.1", "1.2.3.1.1.2", "1.2.3.1.1.3"), strict=True):
        assert f'<Value number="1">{uid}</Value>'.encode() in body
        assert b'<BulkData uri="http://testserver/dicom-web' in body


def test_what_nobody_offers_is_not_acceptable(world: World) -> None:
    stored(world)
    assert world.get(f"{STUDY}/metadata", "image/png").status_code == 406


def test_gzip_when_asked(world: World) -> None:
    stored(world, 2)
    for encoding, compressed in (("gzip", True), ("br, *", True), ("gzip;q=0", False), ("identity", False)):
        request = world.client.build_request("GET", f"/dicom-web{STUDY}/metadata")
        request.headers["accept-encoding"] = encoding
        answer = world.client.send(request, stream=True)
        raw = b"".join(answer.iter_raw())
        assert answer.headers.get("content-encoding") == ("gzip" if compressed else None)
        assert len(json.loads(gzip.decompress(raw) if compressed else raw)) == 2


def test_the_entity_tag_changes_with_what_is_there_and_what_is_sent(world: World) -> None:
    stored(world)
    first = world.get(f"{STUDY}/metadata", **{"accept-encoding": "identity"})
    tag = first.headers["etag"]
    assert tag.startswith('"') and first.headers["cache-control"] == "private, no-cache"
    again = world.get(
        f"{STUDY}/metadata", **{"if-none-match": f'"other", W/{tag}', "accept-encoding": "identity"}
    )
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    forms = [
        world.get(f"{STUDY}/metadata", **{"accept-encoding": "gzip"}),
        world.get(f"{STUDY}/metadata", "application/json", **{"accept-encoding": "identity"}),
        world.get(f"{STUDY}/metadata", **{"accept-encoding": "identity", "host": "pacs.example"}),
    ]
    world.store(image(4))
    forms.append(world.get(f"{STUDY}/metadata", **{"if-none-match": tag, "accept-encoding": "identity"}))
    assert forms[-1].status_code == 200 and len(listed(forms[-1])) == 4
    assert len({tag, *(each.headers["etag"] for each in forms)}) == 5


def test_it_is_prepared_as_objects_come_in(world: World) -> None:
    stored(world)
    assert kept(world) == 3


def test_what_cannot_be_prepared_is_stored_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(header: object) -> bytes:
        raise ValueError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr("pacs.receiving.prepare", broken)
        identity = world.store(image(1)).identity
    assert uids(world.get(f"{STUDY}/metadata")) == [identity.sop_instance_uid]


def test_what_is_not_prepared_is_made_and_kept(world: World) -> None:
    stored(world)
    before = unready(world)
    with world.database.write() as connection:
        connection.execute(text("DELETE FROM prepared_metadata WHERE instance_pk % 2 = 0"))
    after = unready(world)
    assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
    assert kept(world) == 3


def test_what_older_code_prepared_is_made_anew(world: World) -> None:
    stored(world)
    with world.database.write() as connection:
        connection.execute(text("UPDATE prepared_metadata SET format = 0, content = :old"), {"old": b"old"})
    assert len(uids(world.get(f"{STUDY}/metadata"))) == 3
    assert {row["format"] for row in rows(world.database, "SELECT format FROM prepared_metadata")} != {0}


def test_one_damaged_object_hides_no_other(world: World) -> None:
    identities = stored(world)
    forget(world)
    address = rows(world.database, "SELECT blob FROM versions ORDER BY instance_pk")[1]["blob"]
    (blob,) = world.folder.rglob(f"*{address.removeprefix('blake3:')[4:]}")
    blob.unlink()
    found = listed(world.get(f"{STUDY}/metadata"))
    assert [each["00080018"]["Value"][0] for each in found] == [each.sop_instance_uid for each in identities]
    assert [each.get("00080056") for each in found] == [
        None, {"vr": "CS", "Value": ["UNAVAILABLE"]}, None
    ]  # fmt: skip
    alone = world.get(f"{path_to(identities[1])}/metadata")
    assert (alone.status_code, alone.json()["code"]) == (500, "INTEGRITY")


def test_the_current_version_is_shown(world: World) -> None:
    world.store(image(1))
    world.store(image(1, PatientComments="another"))
    assert "00104000" not in listed(world.get(f"{STUDY}/metadata"))[0]
    with world.database.write() as connection:
        connection.execute(text("UPDATE instances SET current_version = 2"))
    assert "00104000" in listed(world.get(f"{STUDY}/metadata"))[0]


def test_another_organisation_sees_nothing(world: World) -> None:
    ours = world.store(image(1, PatientComments="ours"))
    paths = (STUDY, SERIES, path_to(ours.identity))
    for path in paths:
        assert world.get(f"{path}/metadata", **{"x-theirs": "1"}).status_code == 404
    world.store(image(1, PatientComments="theirs"), world.theirs)
    for path in paths:
        (said,) = listed(world.get(f"{path}/metadata", **{"x-theirs": "1"}))
        assert said["00104000"]["Value"] == ["theirs"]


@pytest.mark.parametrize("path", ["/studies/1.2.9", "/studies/1.2.3.1/series/1.9", f"{SERIES}/instances/1.9"])
def test_not_there(world: World, path: str) -> None:
    stored(world, 1)
    assert world.get(f"{path}/metadata").status_code == 404


def test_malformed(world: World) -> None:
    assert world.get("/studies/abc/metadata").status_code == 400


@pytest.mark.parametrize("accept", [None, 'multipart/related; type="application/dicom+xml"'])
@pytest.mark.parametrize("encodings", [("identity", "gzip"), ("gzip", "identity")])
def test_what_was_made_once_is_ready(
    world: World, monkeypatch: pytest.MonkeyPatch, accept: str | None, encodings: tuple[str, str]
) -> None:
    def unasked(*given: object) -> None:
        raise AssertionError("made again")

    stored(world)
    first = world.get(f"{STUDY}/metadata", accept, **{"accept-encoding": encodings[0]})
    with monkeypatch.context() as patched:
        patched.setattr("pacs.metadata.Metadata.read", unasked)
        again = [world.get(f"{STUDY}/metadata", accept, **{"accept-encoding": each}) for each in encodings]
        theirs = world.get(f"{STUDY}/metadata", accept, **{"x-theirs": "1"})
        elsewhere = world.get(f"{STUDY}/metadata", accept, host="pacs.example")
    assert [each.content for each in again] == [first.content] * 2
    assert (again[0].headers["etag"], again[0].headers["content-type"]) == (
        first.headers["etag"], first.headers["content-type"]
    )  # fmt: skip
    assert (theirs.status_code, elsewhere.status_code) == (404, 500)
    assert int(again[1].headers["content-length"]) > 0


def test_what_is_ready_is_never_stale(world: World) -> None:
    stored(world)
    world.get(f"{STUDY}/metadata")
    world.store(image(4))
    assert len(listed(world.get(f"{STUDY}/metadata"))) == 4
    delete_objects(world.database, DeletionRequest(OURS, "1.2.3.1", "1.2.3.1.1.2", "test"))
    assert uids(world.get(f"{STUDY}/metadata")) == ["1.2.3.1.1.1", "1.2.3.1.1.3", "1.2.3.1.1.4"]


def test_what_could_not_be_read_is_asked_for_again(world: World) -> None:
    stored(world)
    forget(world)
    address = rows(world.database, "SELECT blob FROM versions ORDER BY instance_pk")[1]["blob"]
    (blob,) = world.folder.rglob(f"*{address.removeprefix('blake3:')[4:]}")
    bytes_ = blob.read_bytes()
    blob.unlink()
    assert "00080056" in listed(world.get(f"{STUDY}/metadata"))[1]
    blob.write_bytes(bytes_)
    assert "00080056" not in listed(world.get(f"{STUDY}/metadata"))[1]


def test_what_is_long_is_read_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(world, 2)
    long = Sequence([Dataset() for _ in range(3000)])
    for number, item in enumerate(long):
        item.PatientComments = sha256(b"%d" % number).hexdigest()
    world.store(image(3, RequestAttributesSequence=long))
    expected = unready(world)
    assert kept(world) == 3 and len(listed(expected)[2]["00400275"]["Value"]) == 3000
    assert unready(world).content == expected.content
    monkeypatch.setattr("pacs.metadata.Metadata.completed", None)
    assert unready(world).content == expected.content


def test_each_access_is_audited_once(world: World) -> None:
    stored(world)
    world.get(f"{STUDY}/metadata")
    world.store(image(4))  # what waited for a transaction shares this one
    (record,) = world.audited()
    details = json.loads(record["details"])
    assert record["resource"] == "1.2.3.1"
    assert (details["level"], details["form"], details["completed"]) == ("STUDY", "metadata", 3)


def test_image_by_image_a_study_is_looked_at_once(world: World) -> None:
    identities = stored(world)
    for identity in identities:
        world.get(f"{path_to(identity)}/metadata")
    tag = world.get(f"{SERIES}/metadata").headers["etag"]
    assert world.get(f"{SERIES}/metadata", **{"if-none-match": tag}).status_code == 304
    world.get(f"{SERIES}/metadata")
    levels = [json.loads(record["details"])["level"] for record in world.audited()]
    assert levels == ["IMAGE", "SERIES", "SERIES"]


def test_a_long_list_is_streamed_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacs.metadata.PAGE", 2)
    monkeypatch.setattr("pacs.metadata.MADE_AT_ONCE", 1)
    stored(world, 5)
    expected = unready(world).content
    forget(world)
    assert unready(world).content == expected
    assert kept(world) == 5
