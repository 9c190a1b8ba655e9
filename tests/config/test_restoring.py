"""The worker of an installation restores what was stored, as it was stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from config.compose import compose, prepare, worker
from config.settings import Settings
from pacs.actor import system_actor
from pacs.errors import CutShort
from storage.study_management.studies import SqlStudyManagement

CUT = Path(str(get_testdata_file("MR_small.dcm"))).read_bytes()[:-2000]


def test_what_was_stored_cut_short_comes_back(tmp_path: Path) -> None:
    """An earlier version took it; nobody may have the whole one any more."""
    settings = Settings(data_dir=tmp_path)
    prepare(settings)
    somebody = system_actor("test")
    with compose(settings) as installation:
        with pytest.raises(CutShort):
            installation.archive.store_file(somebody, [CUT])
        before = replace(installation.archive, complete_only=False).store_file(somebody, [CUT])
        management = SqlStudyManagement(installation.database)
        study = before.identity.study_instance_uid
        deletion = management.delete(somebody, study, None, "by mistake")
        assert not list(installation.archive.index.retrieve(somebody.organization, study, None, None))
        management.restore(somebody, deletion.id)
        working = worker(installation, "test")
        while working.work():
            pass
        (restored,) = installation.archive.index.retrieve(somebody.organization, study, None, None)
        assert restored.blob == before.blob
