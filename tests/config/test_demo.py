"""`pacs demo`: studies that any reader takes, and users that can sign in; twice is as good as once."""

from __future__ import annotations

import re
from datetime import date
from io import BytesIO
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydicom import dcmread
from sqlalchemy import select

from config.cli import main
from pacs import passwords
from pacs.demo.studies import STUDIES, Study
from storage.accounts.users import SqlAccounts
from storage.database import Database
from storage.tables import studies


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_playground_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacs.demo.studies.STUDIES", STUDIES[1:4:2])
    said = run("demo", "--data", str(tmp_path))
    assert "Organisation demo: 2 studies and 7 users added." in said
    password = re.search(r"with the password (\S+) \(", said)
    assert password
    database = Database(f"sqlite:///{tmp_path / 'pacs.db'}")
    for role in ("radiologist", "viewer"):
        known = SqlAccounts(database).credentials(f"{role}@demo.example")
        assert known and known.user.role == role and known.user.organization != 1
        assert passwords.verified(known.password_hash, password[1])
    database.close()
    again = run("demo", "--data", str(tmp_path))
    assert "0 studies and 0 users added" in again and "reset-password" in again


def test_an_interrupted_run_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [study] = shown = STUDIES[2:3]
    monkeypatch.setattr("pacs.demo.studies.STUDIES", shown)
    whole = Study.files
    with monkeypatch.context() as interrupted:
        interrupted.setattr(Study, "files", lambda self, today: islice(whole(self, today), 5))
        run("demo", "--data", str(tmp_path))
    assert "1 studies and 0 users added" in run("demo", "--data", str(tmp_path))
    database = Database(f"sqlite:///{tmp_path / 'pacs.db'}")
    with database.read() as connection:
        counts = connection.execute(select(studies.c.number_of_study_related_instances)).scalars().all()
    database.close()
    assert counts == [study.instances]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.accession_number)
def test_its_studies_are_whole(study: Study) -> None:
    made = list(study.files(date(2026, 2, 28)))
    instances = [dcmread(BytesIO(file)) for _, file in made]
    assert [each.SOPInstanceUID for each in instances] == [uid for uid, _ in made]
    assert len({uid for uid, _ in made}) == len(instances) == study.instances
    assert len({each.SeriesInstanceUID for each in instances}) == len(study.series)
    for each in instances[:: max(1, len(instances) // 3)]:
        pixels = each.pixel_array
        assert each.StudyInstanceUID == study.uid
        assert int(pixels.max()) - int(pixels.min()) > 100
    assert made == list(study.files(date(2026, 2, 28)))
