"""The audit trail: append-only, and whoever gets round that is found out."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pacs.errors import Unavailable
from pacs.model import AuditRecord
from storage.audit import verify
from storage.database import Database
from storage.feeds import transaction
from tests.storage.received import MODALITY

ROWS = 5


@pytest.fixture
def trail(database: Database) -> Database:
    for n in range(ROWS):
        with transaction(database) as under_way:
            under_way.audit(AuditRecord(MODALITY, "store", "success", "1.2.3", {"n": n}))
    return database


def _without_triggers(database: Database, *statements: str) -> None:
    postgresql = database.dialect == "postgresql"
    with database.write() as connection:
        for trigger in ("audit_no_update", "audit_no_delete"):
            connection.execute(text(f"DROP TRIGGER {trigger}" + (" ON audit" if postgresql else "")))
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_an_untouched_trail_is_whole(trail: Database) -> None:
    assert verify(trail, 1) is None


def test_an_empty_trail_is_whole(database: Database) -> None:
    assert verify(database, 1) is None


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET actor_name = 'x'", "DELETE FROM audit", "DELETE FROM audit WHERE seq = 2"],
)
def test_the_database_refuses_to_change_it(trail: Database, statement: str) -> None:
    with pytest.raises((DBAPIError, Unavailable)), trail.write() as connection:
        connection.execute(text(statement))
    assert verify(trail, 1) is None


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET details = '{\"n\":9}' WHERE seq = 3", 3),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", 1),
        ("UPDATE audit SET actor_name = 'nobody' WHERE seq = 5", 5),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 5", 5),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET hash = 'x' WHERE seq = 5", 5),
    ],
)
def test_a_change_behind_its_back_is_named(trail: Database, statement: str, broken: int) -> None:
    _without_triggers(trail, statement)
    assert verify(trail, 1) == broken


def test_a_forged_last_row_does_not_fit_the_head(trail: Database) -> None:
    from storage.chain import link

    with trail.read() as connection:
        last_two = connection.execute(text("SELECT * FROM audit ORDER BY seq DESC LIMIT 2")).mappings().all()
    from storage.columns import moment

    forged = {**last_two[0], "at": moment(last_two[0]["at"]), "action": "nothing"}
    digest = link(forged, last_two[1]["hash"])
    _without_triggers(trail, f"UPDATE audit SET action = 'nothing', hash = '{digest}' WHERE seq = {ROWS}")
    assert verify(trail, 1) == ROWS


def test_versions_are_not_rewritten(database: Database) -> None:
    from tests.storage.received import received
    from tests.storage.world import opened, store

    with opened(database) as entries:
        store(entries, received())
    with pytest.raises((DBAPIError, Unavailable)), database.write() as connection:
        connection.execute(text("UPDATE versions SET dataset_digest = 'x'"))


def test_nothing_is_kept_of_a_transaction_that_fails(database: Database) -> None:
    with pytest.raises(RuntimeError), transaction(database) as under_way:
        under_way.audit(AuditRecord(MODALITY, "store", "success"))
        raise RuntimeError
    assert verify(database, 1) is None
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM audit")).scalar() == 0
