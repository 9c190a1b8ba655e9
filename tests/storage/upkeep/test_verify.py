from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from pacs.model import Received
from storage import clock
from storage.blobs import BlobStore, LocalBlobs, SpoolLimits
from storage.database import Database
from storage.upkeep.verify import Affected, Finding, Kind, Progress, Verification
from tests.storage.blobs.worlds import damage
from tests.storage.received import uid
from tests.storage.shelf import Shelf, shelf_of

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"


@pytest.fixture
def shelf(database: Database, blobs: BlobStore) -> Iterator[Shelf]:
    with shelf_of(database, blobs) as opened:
        yield filled(opened)


@pytest.fixture
def local_shelf(database: Database, tmp_path: Path) -> Iterator[Shelf]:
    """For what does not depend on where blobs lie."""
    blobs = LocalBlobs(tmp_path, SpoolLimits(reserve=0))
    with shelf_of(database, blobs) as opened:
        yield filled(opened)
    blobs.close()


def filled(shelf: Shelf) -> Shelf:
    """Two patients, a study each; the first has two series of two modalities."""
    for instance in range(1, 4):
        shelf.store(b"slice %d" % instance, study=1, series=1, instance=instance)
    shelf.store(b"another series", study=1, series=2, Modality="SR", sop_class=BASIC_TEXT_SR)
    shelf.store(b"another patient", study=2)
    return shelf


def second_patient(shelf: Shelf) -> str:
    with shelf.database.read() as connection:
        pk = connection.execute(text("SELECT pk FROM patients WHERE patient_id = 'P2'")).scalar()
    return f"patients/{pk}"


def findings(shelf: Shelf) -> list[Finding]:
    return list(Verification(shelf.database, shelf.blobs).run())


def again(shelf: Shelf) -> Received:
    """The object that the tests damage."""
    return shelf.store(b"slice 2", study=1, series=1, instance=2)


def test_what_is_well_has_no_findings(shelf: Shelf) -> None:
    assert findings(shelf) == []


def test_the_same_bytes_under_two_names_are_well(shelf: Shelf) -> None:
    shelf.store(b"slice 1", study=3)
    assert findings(shelf) == []


@pytest.mark.parametrize("content", [b"Slice 2", b"slice", b"slice 2 and more"])
def test_changed_bytes_are_named(shelf: Shelf, content: bytes) -> None:
    item = again(shelf)
    damage(shelf.blobs, item.blob, content)
    (finding,) = findings(shelf)
    assert (finding.kind, finding.subject) == (Kind.CHANGED, item.blob.address)
    assert finding.affected == (Affected(1, uid(1, 1, 2)),)
    assert finding.kind.is_damage


def test_a_missing_blob_is_named_with_all_whose_bytes_it_held(shelf: Shelf) -> None:
    item = again(shelf)
    shelf.store(b"slice 2", study=3)
    shelf.blobs.delete([item.blob.address])
    (finding,) = findings(shelf)
    assert (finding.kind, finding.subject) == (Kind.MISSING, item.blob.address)
    assert {each.sop_instance_uid for each in finding.affected} == {uid(1, 1, 2), uid(3, 1, 1)}


def test_a_wrong_reference_count_is_named(shelf: Shelf) -> None:
    item = again(shelf)
    shelf.run("UPDATE blobs SET refcount = 2 WHERE address = :address", address=item.blob.address)
    (finding,) = findings(shelf)
    assert (finding.kind, finding.subject) == (Kind.REFERENCES, item.blob.address)
    assert finding.detail == "2 counted, 1 refer to it"


def test_an_orphan_is_reported_but_is_no_damage(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = shelf.publish(b"never entered")
    assert findings(shelf) == []  # it may belong to a store that is under way
    monkeypatch.setattr("storage.upkeep.verify.GRACE", -timedelta(minutes=1))
    (finding,) = findings(shelf)
    assert (finding.kind, finding.subject) == (Kind.ORPHAN, orphan.address)
    assert not finding.kind.is_damage


def test_blobs_that_the_sweep_is_removing_are_not_looked_at(shelf: Shelf) -> None:
    shelf.publish(b"going")
    sweep = shelf.sweep(timedelta(days=1))
    sweep.adopt_orphans(clock.read(shelf.database) - sweep.grace, "")
    assert "deleting" in shelf.states().values()
    assert findings(shelf) == []


@pytest.mark.parametrize(
    ("table", "column", "value", "resources"),
    [
        ("series", "size_bytes", 1, {f"series/{uid(2, 1)}", f"studies/{uid(2)}"}),
        ("studies", "number_of_study_related_series", 7, {f"studies/{uid(2)}", "patients/2"}),
        ("studies", "size_bytes", 7, {f"studies/{uid(2)}"}),
        ("studies", "modalities_in_study", "CT\\MR", {f"studies/{uid(2)}"}),
        ("studies", "modalities_in_study", None, {f"studies/{uid(2)}"}),
        ("studies", "sop_classes_in_study", "1.2", {f"studies/{uid(2)}"}),
        ("patients", "number_of_patient_related_studies", 0, {"patients/2"}),
        ("patients", "number_of_patient_related_series", 0, {"patients/2"}),
        ("patients", "number_of_patient_related_instances", 3, {"patients/2"}),
    ],
)
def test_a_wrong_count_is_named(
    local_shelf: Shelf, table: str, column: str, value: object, resources: set[str]
) -> None:
    where = {
        "series": "series_instance_uid = '1.2.3.2.1'",
        "studies": "study_instance_uid = '1.2.3.2'",
        "patients": "patient_id = 'P2'",
    }[table]
    patient = second_patient(local_shelf)
    local_shelf.run(f"UPDATE {table} SET {column} = :value WHERE {where}", value=value)
    found = findings(local_shelf)
    assert {finding.kind for finding in found} == {Kind.COUNTS}
    assert {finding.subject for finding in found} == {r.replace("patients/2", patient) for r in resources}
    assert any(finding.detail.startswith(f"{column} is {value}, should be") for finding in found)


def test_all_is_found_at_once_and_page_by_page(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.upkeep.verify._PAGE", 2)
    monkeypatch.setattr("storage.upkeep.counts._PAGE", 1)
    monkeypatch.setattr("storage.upkeep.verify.GRACE", -timedelta(minutes=1))
    for n in range(3):
        shelf.publish(b"orphan %d" % n)
    damage(shelf.blobs, again(shelf).blob, b"x")
    shelf.run("UPDATE series SET number_of_series_related_instances = 9")
    told: list[Progress] = []
    found = list(Verification(shelf.database, shelf.blobs, progress=told.append).run())
    kinds = [finding.kind for finding in found]
    assert kinds.count(Kind.CHANGED) == 1
    assert kinds.count(Kind.ORPHAN) == 3
    assert kinds.count(Kind.COUNTS) == 3 + 2  # every series, and the studies above them
    assert [each.blobs for each in told] == [2, 4, 5]
    assert told[-1].of == 5
    assert told[-1].bytes == sum(len(b) for b in (b"slice 1" * 3, b"another series", b"another patient"))
