"""Keys made by an older rule are made anew, and nothing else is touched."""

from __future__ import annotations

from sqlalchemy import text

from storage.database import Database
from storage.upkeep.rekey import rekey
from tests.storage.received import received
from tests.storage.world import opened, rows, store


def test_old_keys_are_made_anew_and_found_again(database: Database) -> None:
    with opened(database) as entries:
        store(entries, received())
    before = rows(database, "SELECT * FROM patients"), rows(database, "SELECT * FROM studies")
    assert rekey(database) == 0
    with database.write() as connection:
        connection.execute(text("UPDATE patients SET patient_name_key = 'as it was once'"))
        connection.execute(text("UPDATE studies SET study_date_key = NULL"))
    assert rekey(database) == 2
    assert (rows(database, "SELECT * FROM patients"), rows(database, "SELECT * FROM studies")) == before
    assert rekey(database) == 0
