"""Two organisations with the same Patient ID, accession number and UIDs: on no route of the
application does the token of one see anything of the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from pacs.http.health import DETAILED
from tests.conformance.routes import Listed, table
from tests.conformance.senders import small_ct
from tests.conformance.server import Server

UNWELL = (DETAILED, 503)  # as a busy machine may say, which cannot examine all parts in time
KNOWN_EVERYWHERE = 1.2  # seconds after which each process has read the registry anew
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
OWN = {"east": "EASTERN", "west": "WESTERN"}
"""A word that is in the objects of one organisation only."""


@dataclass(frozen=True)
class Held:
    server: Server
    routes: list[Listed]
    of: dict[str, Dataset]

    def paths(self, owner: str, *methods: str) -> Iterator[tuple[str, str]]:
        """Each route with the UIDs that are shared and, for an instance, that of `owner`."""
        ds = self.of[owner]
        for route in self.routes:
            if route.public or route.method not in methods or route.path.startswith("/api/v1/auth"):
                continue
            values = {name: _value(name, ds) for name in route.parameters}
            yield route.method, route.filled(values)


def _value(parameter: str, ds: Dataset) -> str:
    name = parameter.lower()
    if name in ("sop", "instance", "image", "sopinstanceuid", "uid"):
        return str(ds.SOPInstanceUID)
    if "series" in name:
        return str(ds.SeriesInstanceUID)
    return str(ds.StudyInstanceUID) if "study" in name else "1"


@pytest.fixture(scope="module")
def held(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Held:
    study, series = generate_uid(), generate_uid()
    of = {}
    for code, word in OWN.items():
        server.token("admin", code)
        server.quick_command("ae", "add", word, "--may", "store", "--organization", code)
        ds = of[code] = small_ct(study, series, patient="SHARED")
        ds.PatientName, ds.AccessionNumber, ds.StudyDescription = f"{word}^Patient", "ACC1", f"{word} study"
    time.sleep(KNOWN_EVERYWHERE)
    for code, word in OWN.items():
        ae = AE(ae_title=word)
        ae.add_requested_context(of[code].SOPClassUID)
        association = ae.associate("127.0.0.1", server.dimse_port, ae_title="PACS")
        assert association.send_c_store(of[code]).Status == 0x0000
        association.release()
    return Held(server, table(tmp_path_factory.mktemp("routes")), of)


def _body(web: httpx.Client, method: str, path: str) -> tuple[int, bytes]:
    """Of an endless stream: what has come after a moment."""
    with web.stream(method, path, headers={"Accept": "*/*"}) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer.status_code, next(answer.iter_raw(), b"")
        return answer.status_code, answer.read()


@pytest.mark.parametrize(("mine", "theirs"), [("east", "west"), ("west", "east")])
def test_nothing_of_the_other_is_read_on_any_route(held: Held, mine: str, theirs: str) -> None:
    foreign = (OWN[theirs].encode(), str(held.of[theirs].SOPInstanceUID).encode())
    seen = 0
    with held.server.web("admin", mine) as web:
        for method, path in held.paths(mine, "GET"):
            status, body = _body(web, method, path)
            assert status < 500 or (path, status) == UNWELL, path
            assert not any(word in body for word in foreign), path
            seen += OWN[mine].encode() in body or str(held.of[mine].SOPInstanceUID).encode() in body
        for method, path in held.paths(theirs, "GET"):
            if str(held.of[theirs].SOPInstanceUID) in path:
                status, body = _body(web, method, path)
                assert status in (204, 404) or body in (b"[]", b""), (path, status)
    assert seen > 3, "one's own is seen"


def test_a_stranger_changes_nothing(held: Held) -> None:
    """An organisation that has nothing: what it names is not there."""
    ds = held.of["east"]
    theirs = (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    routes = [each for each in held.paths("east", *CHANGING) if any(uid in each[1] for uid in theirs)]
    assert {method for method, _ in routes} == {"POST", "PATCH", "DELETE"}
    with held.server.web("admin", "empty") as web:
        for method, path in routes:
            status, _ = _body(web, method, path)
            assert 400 <= status < 500, (method, path, status)
    for code, ds in held.of.items():
        with held.server.web("viewer", code) as web:
            found = web.get("/dicom-web/instances", params={"PatientID": "SHARED"}).json()
            assert [each["00080018"]["Value"] for each in found] == [[ds.SOPInstanceUID]]


def test_a_stranger_gets_the_same_answers_as_for_what_is_nowhere(held: Held) -> None:
    nowhere = {
        str(uid): generate_uid()
        for ds in held.of.values()
        for uid in (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    }
    compared = 0
    with held.server.web("admin", "empty") as web:
        web.headers["X-Correlation-ID"] = "same"
        for method, path in held.paths("east", "GET"):
            if "/events" in path:
                continue
            other = path
            for uid, unknown in nowhere.items():
                other = other.replace(uid, unknown)
            if other != path:
                known, unknown_body = _body(web, method, path), _body(web, method, other)
                assert known == unknown_body, path
                compared += 1
    assert compared > 10


def test_counts_and_searches_are_ones_own(held: Held) -> None:
    for code, word in OWN.items():
        with held.server.web("viewer", code) as web:
            for key in ("PatientID=SHARED", "AccessionNumber=ACC1", "PatientName=*ern*", ""):
                answer = web.get(f"/dicom-web/studies?{key}&fuzzymatching=false")
                assert [each["00100010"]["Value"][0]["Alphabetic"] for each in answer.json()] == [
                    f"{word}^Patient"
                ]
                assert answer.headers["X-Total-Count"] == "1"
