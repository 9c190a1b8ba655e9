"""What is imported is not imported again, unless the index does not have it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from config import import_journal
from config.import_journal import IndexState, Journal, index_of
from pacs.actor import DEFAULT_ORGANIZATION, system_actor
from pacs.errors import DatabaseUnavailable
from pacs.model import AuditRecord
from storage.database import Database
from storage.feeds import transaction

NAME = "/media/DOE_JANE.dcm|5|1"


class Index:
    """One that is moved on by what is stored, and of which an older copy can be put back."""

    def __init__(self) -> None:
        self.records = [0]
        self.down = False
        self.state = IndexState(self._newest, lambda record: record in map(str, self.records))

    def _newest(self) -> str:
        if self.down:
            raise DatabaseUnavailable
        return str(self.records[-1])

    def store(self, record: int) -> None:
        self.records.append(record)


@pytest.fixture
def index() -> Index:
    return Index()


def opened(tmp_path: Path, index: Index, organization: int = DEFAULT_ORGANIZATION) -> closing[Journal]:
    return closing(Journal(tmp_path, organization, index.state))


def add(tmp_path: Path, index: Index, record: int, keys: Iterable[str]) -> None:
    with opened(tmp_path, index) as journal:
        index.store(record)
        for key in keys:
            journal.add(key)


def known(tmp_path: Path, index: Index, keys: Iterable[str]) -> str:
    with opened(tmp_path, index) as journal:
        return "".join(key for key in keys if journal.knows(key))


def test_each_organisation_has_its_own(tmp_path: Path, index: Index) -> None:
    for organization in (DEFAULT_ORGANIZATION, 2):
        with opened(tmp_path, index, organization) as journal:
            assert not journal.knows(NAME)
            journal.add(NAME)
        with opened(tmp_path, index, organization) as journal:
            assert journal.knows(NAME)


def test_it_tells_nothing_of_names(tmp_path: Path, index: Index) -> None:
    add(tmp_path, index, 1, [NAME])
    (file,) = tmp_path.iterdir()
    assert "DOE" not in file.read_text() and (file.stat().st_mode & 0o777) == 0o640


def test_an_older_copy_of_the_index_lacks_what_came_later(tmp_path: Path, index: Index) -> None:
    add(tmp_path, index, 1, "ab")
    add(tmp_path, index, 2, "cd")
    assert known(tmp_path, index, "abcd") == "abcd"
    index.records.remove(2)
    assert known(tmp_path, index, "abcd") == "ab"
    add(tmp_path, index, 3, "ce")
    assert known(tmp_path, index, "abcde") == "abce"
    index.records = [0]
    assert known(tmp_path, index, "abcde") == ""


def test_what_an_import_did_that_was_cut_off(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_journal, "VOUCHED", 2)
    journal = Journal(tmp_path, DEFAULT_ORGANIZATION, index.state)
    for key in "abc":
        journal.add(key)
    index.down = True
    journal.close()
    index.down = False
    assert known(tmp_path, index, "abc") == "ab"
    (file,) = tmp_path.iterdir()
    file.write_text("\n".join(line for line in file.read_text().splitlines() if " " not in line))
    assert known(tmp_path, index, "abc") == ""  # as earlier builds wrote it


def test_a_lost_database(sqlite_template: Path, tmp_path: Path) -> None:
    def started(name: str) -> Database:
        shutil.copy(sqlite_template, tmp_path / name)
        made = Database(f"sqlite:///{tmp_path / name}")
        with transaction(made) as under_way:
            under_way.audit(AuditRecord(system_actor("test"), "store", "success", name))
        return made

    folder = tmp_path / "run"
    for database in (started("first.db"), started("second.db")):
        with closing(database), closing(Journal(folder, 1, index_of(database, 1))) as journal:
            assert not journal.knows(NAME)
            journal.add(NAME)
        with closing(Database(f"sqlite:///{tmp_path / 'first.db'}")) as first:
            again = Journal(folder, 1, index_of(first, 1))
            assert again.knows(NAME)
            again.close()
