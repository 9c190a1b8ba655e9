"""Who may do what, against a started server: AEs registered by `pacs ae`, two organisations."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom import sop_class as sop

from tests.conformance.senders import small_ct
from tests.conformance.server import Server
from tests.dimse.wire import Wire, request

FIND = sop.StudyRootQueryRetrieveInformationModelFind
MOVE = sop.StudyRootQueryRetrieveInformationModelMove
GET = sop.StudyRootQueryRetrieveInformationModelGet
EVERYTHING = "store,find,move,get"
CALLING_NOT_RECOGNISED, CALLED_NOT_RECOGNISED = (1, 1, 3), (1, 1, 7)  # PS3.8 Table 9-21
KNOWN_EVERYWHERE = 1.2  # seconds after which each process has read the registry anew


@dataclass(frozen=True)
class Held:
    """What organisations A (`default`) and B (`north`) have: one study each."""

    server: Server
    of_a: Dataset
    of_b: Dataset
    came: list[tuple[str, str]]
    """AE title and SOP Instance UID of what C-MOVE brought."""


class Caller:
    """One association of the AE `title`."""

    def __init__(self, server: Server, title: str) -> None:
        ae = AE(ae_title=title)
        for context in (FIND, MOVE, GET):
            ae.add_requested_context(context)
        ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        self.got: list[str] = []
        self.association = ae.associate(
            "127.0.0.1",
            server.dimse_port,
            ae_title="PACS",
            ext_neg=[build_role(CTImageStorage, scu_role=True, scp_role=True)],
            evt_handlers=[(evt.EVT_C_STORE, self._keep)],
        )

    def _keep(self, event: evt.Event) -> int:
        self.got.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    def __enter__(self) -> Caller:
        assert self.association.is_established
        return self

    def __exit__(self, *exc: object) -> None:
        self.association.release()

    def store(self, ds: Dataset) -> int:
        return int(self.association.send_c_store(ds).Status)

    def find(self, **keys: str) -> tuple[int, list[str]]:
        answers = list(self.association.send_c_find(_identifier(**keys), FIND))
        return int(answers[-1][0].Status), [str(found.StudyInstanceUID) for _, found in answers if found]

    def get(self, study: str) -> tuple[int, list[str]]:
        answers = list(self.association.send_c_get(_identifier(StudyInstanceUID=study), GET))
        return int(answers[-1][0].Status), self.got

    def move(self, study: str, destination: str) -> int:
        answers = list(self.association.send_c_move(_identifier(StudyInstanceUID=study), destination, MOVE))
        return int(answers[-1][0].Status)


def _identifier(**keys: str) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    for keyword, value in {"StudyInstanceUID": "", **keys}.items():
        setattr(identifier, keyword, value)
    return identifier


@pytest.fixture(scope="module")
def held(server: Server) -> Iterator[Held]:
    came: list[tuple[str, str]] = []
    lock = threading.Lock()

    def keep(event: evt.Event, title: str) -> int:
        with lock:
            came.append((title, str(event.request.AffectedSOPInstanceUID)))
        return 0x0000

    server.quick_command("organization", "add", "north", "--name", "North Hospital")
    listeners: list[Any] = []
    for title, code in (("A_ALL", "default"), ("B_ALL", "north")):
        scp = AE(ae_title=title)
        scp.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
        handlers: list[Any] = [(evt.EVT_C_STORE, keep, [title])]
        listener: Any = scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        listeners.append(listener)
        where = ("--host", "127.0.0.1", "--port", str(listener.server_address[1]))
        server.quick_command("ae", "add", title, *where, "--may", EVERYTHING, "--organization", code)
    server.quick_command("ae", "add", "B_FIND", "--may", "find", "--organization", "north")
    server.quick_command("ae", "add", "B_NOTHING", "--organization", "north")
    time.sleep(KNOWN_EVERYWHERE)
    of_a, of_b = (small_ct(generate_uid(), generate_uid(), patient="SHARED") for _ in "ab")
    for title, ds in (("A_ALL", of_a), ("B_ALL", of_b)):
        with Caller(server, title) as caller:
            assert caller.store(ds) == 0x0000
    yield Held(server, of_a, of_b, came)
    for listener in listeners:
        listener.shutdown()


def test_each_organisation_finds_its_own(held: Held) -> None:
    a, b = held.of_a.StudyInstanceUID, held.of_b.StudyInstanceUID
    for title, own, foreign in (("A_ALL", a, b), ("B_ALL", b, a), ("B_FIND", b, a), ("NOBODY", a, b)):
        with Caller(held.server, title) as caller:
            assert caller.find(PatientID="SHARED") == (0x0000, [own]), title
            assert caller.find(PatientName="CRASH*") == (0x0000, [own]), title
            assert caller.find(StudyInstanceUID=foreign) == (0x0000, []), title
            assert caller.find(StudyInstanceUID=f"{a}\\{b}") == (0x0000, [own]), title
            assert caller.find() == (0x0000, [own]), title


def test_each_organisation_gets_its_own(held: Held) -> None:
    with Caller(held.server, "B_ALL") as caller:
        assert caller.get(held.of_a.StudyInstanceUID) == (0x0000, [])
        assert caller.get(held.of_b.StudyInstanceUID) == (0x0000, [held.of_b.SOPInstanceUID])


def test_nothing_moves_across(held: Held) -> None:
    held.came.clear()
    with Caller(held.server, "B_ALL") as caller:
        assert caller.move(held.of_b.StudyInstanceUID, "A_ALL") == 0xA801
        assert caller.move(held.of_a.StudyInstanceUID, "A_ALL") == 0xA801
        assert caller.move(held.of_a.StudyInstanceUID, "B_ALL") == 0x0000
        assert held.came == []
        assert caller.move(held.of_b.StudyInstanceUID, "B_ALL") == 0x0000
        assert held.came == [("B_ALL", held.of_b.SOPInstanceUID)]


def test_the_same_object_in_both_stays_in_both(held: Held) -> None:
    shared = small_ct(generate_uid(), generate_uid(), patient="BOTH")
    for title in ("A_ALL", "B_ALL"):
        with Caller(held.server, title) as caller:
            assert caller.find(PatientID="BOTH") == (0x0000, [])
            assert caller.store(shared) == 0x0000
            assert caller.find(PatientID="BOTH") == (0x0000, [shared.StudyInstanceUID])


def test_rights_hold_from_loopback_too(held: Held) -> None:
    study = held.of_b.StudyInstanceUID
    with Caller(held.server, "B_FIND") as caller:
        assert caller.store(small_ct(generate_uid(), generate_uid())) == 0x0124
        assert caller.move(study, "B_ALL") == 0x0124
        assert caller.get(study) == (0x0124, [])
        assert caller.find(StudyInstanceUID=study) == (0x0000, [study])
    with Caller(held.server, "B_NOTHING") as caller:
        assert caller.find(StudyInstanceUID=study) == (0x0124, [])


def test_a_null_in_a_key_is_passed_over_as_in_the_index(held: Held) -> None:
    with Caller(held.server, "A_ALL") as caller:
        own = held.of_a.StudyInstanceUID
        assert caller.find(PatientID="SHA\0RED") == (0x0000, [own])
        assert caller.find(PatientID="SHARED", PatientName="CRA\0SH*") == (0x0000, [own])
        assert caller.get("1.2\0.3") == (0x0000, [])


def test_a_title_belongs_to_one_organisation(held: Held) -> None:
    said = held.server.quick_command("ae", "add", "A_ALL", "--organization", "north", code=1)
    assert "registered already" in said


def test_organisations_are_listed_and_have_codes_of_their_own(held: Held) -> None:
    assert "North Hospital" in held.server.quick_command("organization", "list")
    assert "already" in held.server.quick_command("organization", "add", "north", code=1)
    assert "code" in held.server.quick_command("organization", "add", "No/Code", code=2)


def _own_address() -> str:
    """This machine's address on its network; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A server that listens everywhere, and an address that is not loopback."""
    address = _own_address()
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    server = Server(tmp_path / "data")
    server.environment["PACS_DIMSE"] = f"0.0.0.0:{server.dimse_port}"
    server.start()
    yield server, address
    server.stop()


def test_peers_elsewhere_must_be_registered(elsewhere: tuple[Server, str]) -> None:
    """Asked PDU by PDU. pynetdicom misses a refusal that comes before the thread which asked for the
    association wakes up: it finds the connection closed again, and takes it for one that was never made.
    """
    server, address = elsewhere
    server.quick_command("ae", "add", "ANYWHERE", "--may", "find")
    server.quick_command("ae", "add", "HERE", "--host", address, "--port", "104")
    server.quick_command("ae", "add", "OTHER", "--host", "192.0.2.1", "--port", "104", "--may", EVERYTHING)
    time.sleep(KNOWN_EVERYWHERE)
    for calling, called, refusal in (
        ("STRANGER", "PACS", CALLING_NOT_RECOGNISED),
        ("OTHER", "PACS", CALLING_NOT_RECOGNISED),
        ("ANYWHERE", "NOT_US", CALLED_NOT_RECOGNISED),
        ("ANYWHERE", "PACS", None),
        ("HERE", "PACS", None),
    ):
        wanted = request(calling=calling, called=called)
        with Wire(server.dimse_port, host=address) as wire:
            if refusal is None:
                wire.associate(wanted)
                wire.release()
            else:
                assert wire.rejected(wanted) == refusal, calling
