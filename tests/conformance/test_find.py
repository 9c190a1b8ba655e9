"""C-FIND over real sockets: pynetdicom and DCMTK ask, the answers are given."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from dimse import server
from dimse.models import MODELS, OPTIONS
from dimse.services import find
from dimse.services.find import FindSettings
from pacs.attributes import BY_KEYWORD, Level
from pacs.search.query import DateTimeRange, FuzzyName, Items, OneOf, Query, Range, Wildcard
from tests.dimse.holdings import Holdings
from tests.dimse.world import World, running
from tests.programs import needs

PATIENT_ROOT, STUDY_ROOT, PATIENT_STUDY_ONLY = MODELS
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"

needs_dcmtk = needs("findscu")

STUDY = {
    "PatientName": "Müller^Änne",
    "PatientID": "P1",
    "StudyInstanceUID": "1.2",
    "StudyDate": "20240131",
    "ModalitiesInStudy": "CT\\SR",
    "NumberOfStudyRelatedInstances": 12,
}


@dataclass
class Archive:
    holdings: Holdings
    world: World

    @property
    def query(self) -> Query:
        return self.holdings.asked[-1]

    def tests(self) -> dict[str, Any]:
        return {condition.attribute.keyword: condition.test for condition in self.query.conditions}


@contextmanager
def serving(max_answers: int = 1000) -> Iterator[Archive]:
    holdings = Holdings(answers=[STUDY])
    services = (find.service(holdings, FindSettings("PACS", max_answers)),)
    with running(services=services, options=OPTIONS) as world:
        yield Archive(holdings, world)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving() as started:
        yield started


def keys(level: str = "STUDY", **values: Any) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(identifier, keyword, value)
    return identifier


@contextmanager
def associated(
    archive: Archive, model: str = STUDY_ROOT.find, syntax: str = EXPLICIT, options: bytes = b""
) -> Iterator[Any]:
    ae = AE("ASKER")
    ae.add_requested_context(model, syntax)
    negotiation = []
    if options:
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = model, options
        negotiation.append(item)
    association = ae.associate("127.0.0.1", archive.world.port, ae_title="PACS", ext_neg=negotiation)
    assert association.is_established
    yield association
    association.release()


def ask(archive: Archive, identifier: Dataset, model: str = STUDY_ROOT.find, **more: Any) -> list[Any]:
    with associated(archive, model, **more) as association:
        return list(association.send_c_find(identifier, model))


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED, BIG])
def test_an_answer_has_what_was_asked_for_and_no_more(archive: Archive, syntax: str) -> None:
    asked = keys(PatientName="", StudyDate="20240101-", StudyDescription="", ModalitiesInStudy="")
    asked.NumberOfStudyRelatedInstances, asked.SpecificCharacterSet = None, "ISO_IR 100"
    (pending, answer), (final, nothing) = ask(archive, asked, syntax=syntax)
    assert (pending.Status, final.Status, nothing) == (0xFF00, 0x0000, None)
    assert {element.keyword: element.value for element in answer} == {
        "SpecificCharacterSet": "ISO_IR 100",
        "StudyDate": "20240131",
        "QueryRetrieveLevel": "STUDY",
        "RetrieveAETitle": "PACS",
        "ModalitiesInStudy": ["CT", "SR"],
        "StudyDescription": "",
        "PatientName": "Müller^Änne",
        "StudyInstanceUID": "1.2",
        "NumberOfStudyRelatedInstances": 12,
    }


@pytest.mark.parametrize(
    ("asked", "name", "said"),
    [
        (None, "Mueller", None),
        (None, "Müller", "ISO_IR 192"),
        ("", "Mueller", ""),
        ("", "Müller", "ISO_IR 192"),
        ("ISO_IR 100", "Müller", "ISO_IR 100"),
        ("ISO_IR 100", "Šťastný", "ISO_IR 192"),
        ("ISO_IR 101", "Šťastný", "ISO_IR 101"),
        ("ISO_IR 192", "山田^太郎", "ISO_IR 192"),
        ("GB18030", "王^小东", "GB18030"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", ["", "ISO 2022 IR 87"]),
        (["ISO 2022 IR 6", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞", ["ISO 2022 IR 6", "ISO 2022 IR 149"]),
        ("ISO_IR 999", "Müller", "ISO_IR 192"),
    ],
)
def test_answers_speak_the_requesters_character_set_if_it_suffices(
    archive: Archive, asked: Any, name: str, said: Any
) -> None:
    archive.holdings.answers = [{**STUDY, "PatientName": name}]
    identifier = keys(PatientName="")
    if asked is not None:
        identifier.SpecificCharacterSet = asked
    answer = ask(archive, identifier)[0][1]
    assert answer.PatientName == name
    assert answer.get("SpecificCharacterSet") == said


@pytest.mark.parametrize(
    ("charset", "name"),
    [("ISO_IR 100", "Mül*"), ("ISO_IR 144", "Люк*"), ("ISO_IR 192", "山*"), (None, "MU*")],
)
def test_keys_are_read_in_the_requesters_character_set(archive: Archive, charset: Any, name: str) -> None:
    identifier = keys(PatientName=name)
    if charset:
        identifier.SpecificCharacterSet = charset
    ask(archive, identifier)
    ask(archive, keys(PatientName=name.upper(), SpecificCharacterSet="ISO_IR 192"))
    assert archive.holdings.asked[0].conditions == archive.holdings.asked[1].conditions


def test_unknown_keys_are_a_warning_and_not_in_the_answer(archive: Archive) -> None:
    identifier = keys(PatientName="", ExposureTime="", SeriesNumber="")
    identifier.add_new(0x00091010, "LO", "private")
    (pending, answer), _ = ask(archive, identifier)
    assert pending.Status == 0xFF01
    assert "ExposureTime" not in answer and "SeriesNumber" not in answer and 0x00091010 not in answer


def test_availability_is_returned_on_request(archive: Archive) -> None:
    (pending, answer), _ = ask(archive, keys(InstanceAvailability="", RetrieveAETitle=""))
    assert (pending.Status, answer.InstanceAvailability, answer.RetrieveAETitle) == (0xFF00, "ONLINE", "PACS")


def test_a_sequence_comes_whole(archive: Archive) -> None:
    archive.holdings.answers = [
        {
            "SeriesInstanceUID": "1.2.3",
            "RequestAttributesSequence": [
                {
                    "00080050": {"vr": "SH", "Value": ["A1"]},
                    "00321060": {"vr": "LO", "Value": ["Schädel"]},
                    "00400008": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["C"]}}]},
                    "00401001": {"vr": "SH"},
                    "00404010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "山"}]},
                }
            ],
        }
    ]
    identifier = keys("SERIES", StudyInstanceUID="1.2", SpecificCharacterSet="ISO_IR 192")
    item = Dataset()
    item.AccessionNumber = "A1"
    identifier.RequestAttributesSequence = [item]
    answer = ask(archive, identifier)[0][1]
    (found,) = answer.RequestAttributesSequence
    assert found.AccessionNumber == "A1"
    assert found.RequestedProcedureDescription == "Schädel"
    assert found.ScheduledProtocolCodeSequence[0].CodeValue == "C"
    assert found.RequestedProcedureID == ""
    assert found[0x00404010].value == "A^B=山"
    assert archive.tests()["RequestAttributesSequence"] == Items((("AccessionNumber", OneOf(("A1",))),))


def test_no_match_is_a_success(archive: Archive) -> None:
    archive.holdings.answers = []
    assert [status.Status for status, _ in ask(archive, keys(PatientID="?"))] == [0x0000]


@pytest.mark.parametrize(
    ("model", "identifier", "level"),
    [
        (PATIENT_ROOT.find, keys("PATIENT", PatientName="*"), Level.PATIENT),
        (PATIENT_ROOT.find, keys("STUDY", PatientID="P1"), Level.STUDY),
        (PATIENT_STUDY_ONLY.find, keys("STUDY", PatientID="P1"), Level.STUDY),
        (STUDY_ROOT.find, keys("STUDY", PatientName="A*"), Level.STUDY),
        (STUDY_ROOT.find, keys("SERIES", StudyInstanceUID="1.2"), Level.SERIES),
        (STUDY_ROOT.find, keys("IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="1.3"), Level.IMAGE),
    ],
)
def test_every_level_of_every_model(archive: Archive, model: str, identifier: Dataset, level: Level) -> None:
    assert ask(archive, identifier, model)[-1][0].Status == 0x0000
    assert archive.query.level is level


@pytest.mark.parametrize(
    ("model", "identifier", "comment"),
    [
        (STUDY_ROOT.find, keys("PATIENT"), "Level"),
        (PATIENT_STUDY_ONLY.find, keys("SERIES", PatientID="P", StudyInstanceUID="1"), "Level"),
        (STUDY_ROOT.find, keys("series"), "Level"),
        (STUDY_ROOT.find, keys("SERIES"), "StudyInstanceUID"),
        (STUDY_ROOT.find, keys("STUDY", StudyDate="yesterday"), "StudyDate"),
        (PATIENT_ROOT.find, keys("STUDY", PatientID="P*"), "PatientID"),
    ],
)
def test_a_bad_identifier_is_refused_and_the_association_lives(
    archive: Archive, model: str, identifier: Dataset, comment: str
) -> None:
    with associated(archive, model) as association:
        ((status, nothing),) = association.send_c_find(identifier, model)
        assert (status.Status, nothing) == (0xA900, None)
        assert comment in status.ErrorComment
        assert comment in keyword_for_tag(status.OffendingElement)
        again = list(association.send_c_find(keys("STUDY", PatientID="P1"), model))
        assert again[-1][0].Status == 0x0000


def test_extended_negotiation(archive: Archive) -> None:
    identifier = keys("SERIES", StudyDate="20240101-20240131", StudyTime="1200-", PatientName="Meyer")
    refused = ask(archive, identifier)
    assert refused[-1][0].Status == 0xA900
    ask(archive, identifier, options=b"\1\1\1\1")
    assert archive.query.options == {"relational", "datetime", "fuzzy", "timezone"}
    found = archive.tests()
    assert isinstance(found["StudyDate"], DateTimeRange)
    assert any(isinstance(test, FuzzyName) for test in found["PatientName"].tests)
    ask(archive, identifier, options=b"\1\0\0")
    assert isinstance(archive.tests()["StudyDate"], Range)


def test_keys_below_the_level_are_matched_when_queries_are_relational(archive: Archive) -> None:
    identifier = keys(PatientID="", Modality="CT", SeriesInstanceUID="")
    assert [status.Status for status, _ in ask(archive, identifier)] == [0xFF01, 0x0000]
    assert archive.tests() == {}
    (pending, found), _ = ask(archive, identifier, options=b"\1\0\0\0")
    assert archive.tests() == {"Modality": OneOf(("CT",))}
    assert (pending.Status, "Modality" in found) == (0xFF01, False)
    del identifier.SeriesInstanceUID
    assert ask(archive, identifier, options=b"\1\0\0\0")[0][0].Status == 0xFF00


def test_wildcards_and_lists_reach_the_archive(archive: Archive) -> None:
    ask(archive, keys(PatientID="A*", StudyInstanceUID=["1.2", "1.3"]))
    assert archive.tests() == {"PatientID": Wildcard("A*"), "StudyInstanceUID": OneOf(("1.2", "1.3"))}
    assert [attribute.keyword for attribute in archive.query.include] == ["StudyInstanceUID", "PatientID"]


def test_too_many_matches_are_cut_off_and_said() -> None:
    with serving(max_answers=10) as archive:
        archive.holdings.answers = [STUDY] * 10
        assert [status.Status for status, _ in ask(archive, keys())] == [0xFF00] * 10 + [0x0000]
        archive.holdings.answers = [STUDY] * 11
        answers = ask(archive, keys())
        assert [status.Status for status, _ in answers] == [0xFF00] * 10 + [0xA700]
        assert "10 matches" in answers[-1][0].ErrorComment


class Endless(list[Any]):
    """Matches that come one by one, for ever."""

    given = 0

    def __iter__(self) -> Iterator[Any]:
        while True:
            self.given += 1
            yield STUDY


def test_answers_come_as_they_are_found_and_stop_when_cancelled() -> None:
    with serving(max_answers=10**9) as archive:
        archive.holdings.answers = endless = Endless()
        with associated(archive) as association:
            statuses = []
            for status, _ in association.send_c_find(keys(), STUDY_ROOT.find, msg_id=5):
                statuses.append(status.Status)
                if len(statuses) == 3:
                    association.send_c_cancel(5, query_model=STUDY_ROOT.find)
            assert statuses[-1] == 0xFE00
            assert set(statuses[:-1]) == {0xFF00}
        assert endless.given <= len(statuses) + 100


def test_a_query_that_the_servers_end_interrupts_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was cut: the peer could not tell an archive that stops from a network that fails."""
    monkeypatch.setattr(server, "_LEAD", 120.0)
    with serving(max_answers=10**9) as archive:
        archive.holdings.answers = Endless()
        drained: list[bool] = []
        draining = threading.Thread(target=lambda: drained.append(archive.world.server.drain(120)))
        with associated(archive) as association:
            answers = association.send_c_find(keys(), STUDY_ROOT.find)
            assert next(answers)[0].Status == 0xFF00
            draining.start()
            *_, (final, _) = answers
        draining.join()
    assert (final.Status, final.ErrorComment) == (0xA700, "the archive is being stopped")
    assert drained == [True]


class Waiting(Endless):
    """A database that does not answer."""

    def __init__(self) -> None:
        self.asked, self.answers = threading.Semaphore(0), threading.Event()

    def __iter__(self) -> Iterator[Any]:
        self.asked.release()
        assert self.answers.wait(120)
        yield STUDY


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    waiting = Waiting()
    yield waiting
    waiting.answers.set()


def test_a_query_that_waits_is_answered_before_the_servers_end(
    monkeypatch: pytest.MonkeyPatch, waiting: Waiting
) -> None:
    """It was cut: only what found something heard of the end."""
    monkeypatch.setattr(server, "_LEAD", 120.0)
    with serving() as archive:
        archive.holdings.answers = waiting
        drained: list[bool] = []

        def drain() -> None:
            assert waiting.asked.acquire(timeout=60)
            drained.append(archive.world.server.drain(120))

        draining = threading.Thread(target=drain)
        draining.start()
        with associated(archive) as association:
            [(final, _)] = association.send_c_find(keys(), STUDY_ROOT.find)
        draining.join()
    assert (final.Status, final.ErrorComment) == (0xA700, "the archive is being stopped")
    assert drained == [True]


def test_a_query_that_waits_is_cancelled_and_the_next_begins_when_it_has_ended(waiting: Waiting) -> None:
    """A cancel was heard when the first match was found."""
    with serving() as archive, associated(archive) as association:
        archive.holdings.answers = waiting

        def cancel(number: int, answered: threading.Event) -> None:
            """Again and again, as one that comes before its query is not heard."""
            assert number == 6 or waiting.asked.acquire(timeout=60)
            while not answered.wait(0.5):
                association.send_c_cancel(number, query_model=STUDY_ROOT.find)

        for number in (5, 6):
            answered = threading.Event()
            cancelling = threading.Thread(target=cancel, args=(number, answered))
            cancelling.start()
            [(final, _)] = association.send_c_find(keys(), STUDY_ROOT.find, msg_id=number)
            answered.set()
            assert final.Status == 0xFE00
            cancelling.join()
        assert not waiting.asked.acquire(timeout=0.1)
        threading.Timer(0.5, waiting.answers.set).start()
        statuses = [status.Status for status, _ in association.send_c_find(keys(), STUDY_ROOT.find)]
        assert statuses == [0xFF00, 0x0000]


@needs_dcmtk
def test_findscu(archive: Archive, tmp_path: Path) -> None:
    done = subprocess.run(
        ["findscu", "-v", "-S", "-aec", "PACS", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=M*",
         "-k", "StudyInstanceUID", "-k", "ModalitiesInStudy", "127.0.0.1", str(archive.world.port)],
        capture_output=True, text=True, errors="replace", timeout=120,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "[CT\\SR" in output and "[ISO_IR 192]" in output and "Success" in output


def test_every_attribute_of_the_table_can_be_asked_for(archive: Archive) -> None:
    identifier = keys("IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="1.3")
    for attribute in BY_KEYWORD.values():
        if attribute.keyword not in identifier:
            identifier.add_new(attribute.tag, attribute.vr, [] if attribute.vr == "SQ" else None)
    (pending, answer), _ = ask(archive, identifier)
    assert pending.Status == 0xFF00
    assert {attribute.tag for attribute in BY_KEYWORD.values()} <= {int(element.tag) for element in answer}
