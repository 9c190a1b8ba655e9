"""What is prepared lies beside its version: kept soon after it, replaced when old, gone with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from pacs.model import Prepared, VersionKey
from storage.database import Database
from storage.index import Entries, SqlIndex, open_prepared
from storage.prepared import LONGEST, SqlVersions
from storage.study_management.deleting import DeletionRequest, delete_objects
from storage.study_management.studies import SqlStudyManagement
from tests.storage.received import MODALITY, received, uid
from tests.storage.world import opened, rows, store


@pytest.fixture
def entries(database: Database) -> Iterator[Entries]:
    with opened(database) as entries:
        yield entries


def keys(database: Database, study: int = 1, **chosen: str) -> list[VersionKey]:
    current = SqlVersions(database).current(1, uid(study), chosen.get("series"), chosen.get("sop"))
    return [*current.keys] if current else []


def contents(database: Database, organization: int = 1) -> list[Any]:
    versions, current = SqlVersions(database), keys(database)
    prepared = versions.prepared(organization, current)
    return [
        (instance.identity.sop_instance_uid, prepared.get(key))
        for key, instance in versions.instances(organization, current)
    ]


def put(
    database: Database, entries: Entries, instance: int, metadata: bytes | None, **changes: Any
) -> VersionKey | None:
    version = store(entries, received(1, 1, instance, **changes)).version
    if version is not None and metadata is not None:
        SqlVersions(database).keep(1, {version: metadata})
    return version


def test_in_the_order_asked_for_with_what_there_is(database: Database, entries: Entries) -> None:
    for instance, metadata in ((2, b"two"), (1, None), (3, b"three")):
        put(database, entries, instance, metadata)
    wanted = [(uid(1, 1, 1), None), (uid(1, 1, 2), b"two"), (uid(1, 1, 3), b"three")]
    assert contents(database) == wanted
    current = SqlVersions(database).current(1, uid(1), None, None)
    assert current is not None
    assert current.uids == [(uid(1, 1), uid(1, 1, instance)) for instance in (1, 2, 3)]
    assert len(keys(database, series=uid(1, 1))) == 3
    assert (
        len(keys(database, sop=uid(1, 1, 2))) == len(keys(database, series=uid(1, 1), sop=uid(1, 1, 2))) == 1
    )
    assert keys(database, 2) == keys(database, series=uid(1, 2)) == []


def test_each_version_has_its_own(database: Database, entries: Entries) -> None:
    put(database, entries, 1, b"first")
    put(database, entries, 1, b"second", content="other")
    assert put(database, entries, 1, None, content="other") is None
    ((pk, n),) = keys(database)
    versions, asked = SqlVersions(database), [(pk, 2), (pk, n), (pk, 3)]
    assert versions.prepared(1, asked) == {(pk, 1): b"first", (pk, 2): b"second"}
    assert [key for key, _ in versions.instances(1, asked)] == [(pk, 2), (pk, 1)]


def test_what_is_long_is_asked_for_alone(database: Database, entries: Entries) -> None:
    long = bytes(LONGEST + 1)
    for instance, metadata in ((1, b"short"), (2, long[:-1]), (3, long)):
        put(database, entries, instance, metadata)
    asked = keys(database)
    found = SqlVersions(database).prepared(1, asked)
    assert [found[key] for key in asked] == [b"short", long[:-1], None]
    assert SqlVersions(database).prepared(1, asked[2:]) == {asked[2]: long}


def test_what_is_kept_replaces_what_is_old(database: Database, entries: Entries) -> None:
    put(database, entries, 1, None)
    put(database, entries, 2, b"old")
    with database.write() as connection:
        connection.execute(text("UPDATE prepared_metadata SET format = 0"))
    assert [content for _, content in contents(database)] == [None, None]
    first, second = keys(database)
    SqlVersions(database).keep(1, {second: b"b", first: b"a"})
    assert [content for _, content in contents(database)] == [b"a", b"b"]


def test_nothing_is_kept_of_what_is_gone_or_another_organisation_s(
    database: Database, entries: Entries
) -> None:
    put(database, entries, 1, b"ours")
    (key,) = keys(database)
    SqlVersions(database).keep(2, {key: b"theirs"})
    SqlVersions(database).keep(1, {(key[0] + 1, 1): b"gone"})
    assert contents(database) == [(uid(1, 1, 1), b"ours")]
    assert contents(database, organization=2) == []


def test_whoever_knows_the_keys_of_another_organisation_reads_nothing(
    database: Database, entries: Entries
) -> None:
    for number in (1, 2):
        put(database, entries, number, b"ours")
    versions, known = SqlVersions(database), keys(database)
    for asked in (known, known[:1]):  # which take different ways
        assert len(versions.prepared(1, asked)) == len(versions.instances(1, asked)) == len(asked)
        assert versions.prepared(2, asked) == {} and versions.instances(2, asked) == []


def test_it_goes_with_its_version(database: Database, entries: Entries) -> None:
    put(database, entries, 1, b"one")
    put(database, entries, 2, b"two")
    delete_objects(database, DeletionRequest(MODALITY, uid(1), uid(1, 1, 1), "test"))
    assert contents(database) == [(uid(1, 1, 2), b"two")]
    delete_objects(database, DeletionRequest(MODALITY, uid(1), None, "test"))
    assert rows(database, "SELECT * FROM prepared_metadata") == []


def test_the_state_is_that_of_the_bytes(database: Database, entries: Entries) -> None:
    def state() -> str:
        current = SqlVersions(database).current(1, uid(1), None, None)
        assert current is not None
        return current.fingerprint

    put(database, entries, 1, b"one")
    first = state()
    put(database, entries, 2, None)
    second = state()
    put(database, entries, 1, b"one", content="not current")
    assert first != second == state()
    delete_objects(database, DeletionRequest(MODALITY, uid(1), uid(1, 1, 2), "test"))
    assert state() == first


def test_what_is_deferred_is_kept_soon_and_a_clean_end_waits_for_it(database: Database) -> None:
    with opened(database) as entries:
        prepared_entries = open_prepared(database)
        index = SqlIndex(database, entries, prepared_entries)
        for instance in (2, 1):
            version = index.store(received(1, 1, instance)).version
            assert version is not None
            index.prepare(Prepared(1, version, b"%d" % instance))
        index.prepare(Prepared(1, (99, 1), b"gone"))
        prepared_entries.close()
    assert contents(database) == [(uid(1, 1, 1), b"1"), (uid(1, 1, 2), b"2")]


def test_nothing_is_kept_for_what_came_after_its_instance_was_deleted(
    database: Database, entries: Entries
) -> None:
    """Metadata is made beside deletions, and SQLite would give the number of its newest row again."""
    version = put(database, entries, 1, b"of whom it was")
    assert version is not None
    SqlStudyManagement(database).delete(MODALITY, uid(1), None, "test")
    store(entries, received(1, 1, 2, PatientID="another"))
    versions = SqlVersions(database)
    versions.keep(1, {version: b"of whom it was"})
    assert contents(database) == [(uid(1, 1, 2), None)]
    assert versions.prepared(1, [version]) == {} and versions.instances(1, [version]) == []
