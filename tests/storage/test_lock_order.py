"""The watch that all tests of the storage are under (`conftest`) sees what it should."""

from __future__ import annotations

from contextlib import closing

import pytest

from pacs.attributes import Level
from storage.database import Database
from storage.feeds import transaction
from storage.locked_rows import lock_row
from tests.storage.lock_order import Locks, watched
from tests.storage.received import received, uid
from tests.storage.world import opened, store

PATIENT = "SELECT patients.pk \nFROM patients \nWHERE patients.org_id = %(org_id)s FOR UPDATE"
STUDY = PATIENT.replace("patients", "studies")
HEAD = "SELECT org_heads.org_id \nFROM org_heads \nWHERE org_heads.org_id = %(org)s FOR UPDATE"
CHANGED = "UPDATE patients SET version=%(version)s WHERE patients.pk = %(locked)s"
BLOB = "INSERT INTO blobs (address) VALUES (%(address)s) ON CONFLICT (address) DO NOTHING"
ONE, TWO = ({"org_id": 1, "identity": identity} for identity in "ab")
NO_ROW: dict[str, int] = {}


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        ([(PATIENT, ONE), (PATIENT, TWO), (STUDY, NO_ROW), (CHANGED, NO_ROW), (HEAD, NO_ROW)], ""),
        ([(PATIENT, TWO), (PATIENT, ONE)], "patients: (1, 'a') after (1, 'b')"),
        ([(PATIENT, TWO), (PATIENT, TWO)], ""),
        ([(STUDY, NO_ROW), (PATIENT, ONE)], "patients after studies"),
        ([(PATIENT, ONE), (STUDY, NO_ROW), (PATIENT, TWO)], "patients after studies"),
        ([(STUDY, NO_ROW), (CHANGED, NO_ROW)], "patients after studies"),
        ([(HEAD, NO_ROW), (BLOB, {"address": "00"})], "blobs after org_heads"),
        ([(BLOB, {"address": "01"}), (BLOB, {"address": "00"})], "blobs: ('00',) after ('01',)"),
        ([(STUDY, NO_ROW), (PATIENT.removesuffix("FOR UPDATE"), ONE)], ""),
    ],
)
def test_what_is_a_fault(statements: list[tuple[str, dict[str, int]]], fault: str) -> None:
    locks = Locks()
    faults = [locks.fault(statement, values) or "" for statement, values in statements]
    assert not any(faults[:-1])
    assert faults[-1].startswith(fault) and bool(faults[-1]) == bool(fault)


def test_a_transaction_that_locks_the_other_way_round_is_seen(postgresql_url: str) -> None:
    with watched() as faults, closing(Database(postgresql_url)) as database:
        with opened(database) as entries:
            store(entries, received(PatientID="X"))
        assert not faults
        with transaction(database) as under_way:
            connection = under_way.connection
            study = lock_row(connection, Level.STUDY, {"org_id": 1, "study_instance_uid": uid(1)})
            assert study is not None
            lock_row(connection, Level.PATIENT, {"org_id": 1, "identity": "X"})
    assert len(faults) == 1 and faults[0].startswith("patients after studies")
