"""Regression cases of other archives, A2 to A7, on the wire; README.md here says where the rest are."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from bench.wire import Association
from tests.conformance.senders import Modality, find, instance_uids, small_ct, study_counts, wire_bytes
from tests.conformance.server import Server

MIB = 1 << 20


@pytest.fixture
def modality(server: Server) -> Modality:
    return Modality(server.dimse_port, generate_uid())


@pytest.fixture(scope="module")
def web(server: Server) -> Iterator[httpx.Client]:
    with server.web() as client:
        yield client


def slice_of(modality: Modality, **attributes: Any) -> Dataset:
    ds = small_ct(modality.study, modality.series, side=4)
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def studies_of(server: Server, patient: str) -> list[str]:
    """Study Instance UIDs of the studies that a Patient ID finds."""
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", ""
    asked.add_new("PatientID", "LO", patient)
    return [str(answer.StudyInstanceUID) for answer in find(server.dimse_port, asked)]


def test_one_sop_instance_uid_in_two_series_and_in_two_studies(server: Server, modality: Modality) -> None:
    """A2: each is kept, and each is found where it was sent."""
    ds = slice_of(modality)
    places = [(modality.study, modality.series), (modality.study, generate_uid())]
    places.append((generate_uid(), generate_uid()))
    for ds.StudyInstanceUID, ds.SeriesInstanceUID in places:
        assert modality.send_one(ds) == 0x0000
    for study, series in places:
        assert instance_uids(server.dimse_port, study, [series]) == [ds.SOPInstanceUID]
    assert [study_counts(server.dimse_port, study) for study in (places[0][0], places[2][0])] == [2, 1]


def test_deleting_a_study_while_its_instances_come(
    server: Server, web: httpx.Client, modality: Modality
) -> None:
    """A4: nobody is refused, and the count that is left is that of the instances that are left."""
    modality.side = 4
    sender = threading.Thread(target=modality.send, args=(60,))
    sender.start()
    answers = []
    while sender.is_alive():
        answers.append(web.delete(f"/api/v1/studies/{modality.study}?reason=test").status_code)
    sender.join()
    assert modality.refused == [] and len(modality.acknowledged) == 60
    assert set(answers) <= {200, 202, 204, 404}
    assert modality.send_one(slice_of(modality)) == 0x0000
    left = instance_uids(server.dimse_port, modality.study, [modality.series])
    assert study_counts(server.dimse_port, modality.study) == len(left) >= 1


@pytest.mark.parametrize(
    ("patient", "other"),
    [("100%", "1000"), ("a_b", "axb"), ("_lead", "xlead"), ("%", "anybody"), ("O'Neill--", "O")],
)
def test_what_is_special_in_sql_is_a_letter_like_any_other(server: Server, patient: str, other: str) -> None:
    """A5: Patient IDs."""
    sent = {}
    for each in (patient, other):
        modality = Modality(server.dimse_port, generate_uid())
        sent[each] = modality.study
        assert modality.send_one(slice_of(modality, PatientID=each)) == 0x0000
    assert studies_of(server, patient) == [sent[patient]]
    assert sent[patient] in studies_of(server, f"{patient[0]}*")


@pytest.mark.parametrize(
    "odd",
    [
        {"SeriesNumber": "", "InstanceNumber": None},
        {"PatientID": ""},
        {"PatientID": None, "PatientName": None},
        {"StudyDate": "", "StudyTime": None},
    ],
    ids=["no numbers", "empty ID", "no patient", "no date"],
)
def test_what_is_missing_keeps_nothing_out(server: Server, modality: Modality, odd: dict[str, Any]) -> None:
    """A5: such instances are stored, counted and found."""
    assert modality.send_one(slice_of(modality, **odd)) == 0x0000
    assert modality.send_one(slice_of(modality, **odd)) == 0x0000
    assert study_counts(server.dimse_port, modality.study) == 2


@pytest.mark.parametrize("padding", [" ", "\0", "\0\0"])
def test_padding_is_no_part_of_a_uid(server: Server, modality: Modality, padding: str) -> None:
    """A5: the same instance padded and bare is in one study."""
    bare, padded = slice_of(modality), slice_of(modality)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        padded[keyword]._value += padding  # which a value that is assigned would lose
    assert f"{modality.study}{padding}".encode() in wire_bytes(padded)
    assert [modality.send_one(each) for each in (bare, padded)] == [0x0000, 0x0000]
    assert study_counts(server.dimse_port, modality.study) == 2


@pytest.mark.filterwarnings("ignore:The value length")
def test_a_uid_of_more_than_64_characters_is_refused_and_the_next_instance_is_not(
    server: Server, modality: Modality
) -> None:
    """A5: or kept, but neither cut off nor the end of the association."""
    long = "1.2." + "3" * 70
    with Association(("127.0.0.1", server.dimse_port), "PACS", small_ct("1.2", "1.3").SOPClassUID) as open_:
        odd, plain = slice_of(modality, StudyInstanceUID=long), slice_of(modality)
        assert open_.store(odd.SOPInstanceUID, [wire_bytes(odd)]) & 0xF000 in (0xA000, 0xC000)
        assert open_.store(plain.SOPInstanceUID, [wire_bytes(plain)]) == 0x0000
    assert study_counts(server.dimse_port, modality.study) == 1


def element(group: int, number: int, value: bytes) -> bytes:
    """In Implicit VR Little Endian."""
    return struct.pack("<HHL", group, number, len(value)) + value


def test_group_lengths_among_the_keys_change_nothing(server: Server, modality: Modality) -> None:
    """A6: they are retired, and still sent."""
    assert modality.send_one(slice_of(modality)) == 0x0000
    uid = modality.study.encode() + b"\0" * (len(modality.study) % 2)
    level, study = element(0x0008, 0x0052, b"STUDY "), element(0x0020, 0x000D, uid)
    groups = [element(group, 0, struct.pack("<L", 14)) for group in (0x0008, 0x0020)]
    model = StudyRootQueryRetrieveInformationModelFind
    with Association(("127.0.0.1", server.dimse_port), "PACS", model) as open_:
        plain = list(open_.find(level + study))
        assert list(open_.find(groups[0] + level + groups[1] + study)) == plain == [0xFF00, 0x0000]


def test_huge_objects_side_by_side_in_constant_memory(tmp_path: Path) -> None:
    """A7, smaller: three objects of 128 MiB, and the server grows by less than one of them."""
    server = Server(tmp_path / "data")
    server.start()
    try:
        small, large = (
            Modality(server.dimse_port, generate_uid()),
            Modality(server.dimse_port, generate_uid()),
        )
        small.send(3)  # what is loaded at first use is
        before = server.memory()
        with ThreadPoolExecutor(3) as senders:
            running = [senders.submit(_send_large, large, 128) for _ in range(3)]
            peak = before
            while not all(each.done() for each in running):
                peak = max(peak, server.memory())
                time.sleep(0.02)
        assert [each.result() for each in running] == [0x0000] * 3
        assert study_counts(server.dimse_port, large.study) == 3
        assert peak - before < 96 * MIB
    finally:
        server.stop()


def _send_large(modality: Modality, size: int) -> int:
    """The status of an object of so many MiB, which is never in the sender's memory either."""
    ds = slice_of(modality, PixelData=None)
    header = wire_bytes(ds) + struct.pack("<HHL", 0x7FE0, 0x0010, size * MIB)
    with Association(("127.0.0.1", modality.port), "PACS", ds.SOPClassUID) as open_:
        return open_.store(ds.SOPInstanceUID, chain([header], repeat(bytes(MIB), size)))
