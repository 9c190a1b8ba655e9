"""Films in the viewer: played where the browser can, else named, and always there to be downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.encaps import generate_fragments
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage, generate_uid

from tests.conformance.browser import browser, needs_chromium, page, until
from tests.conformance.server import Server
from tests.corpus import SHARED_DATA, needs_corpus

pytestmark = [needs_chromium, needs_corpus]

ENDING = {"dv_video_mpeg2.dcm": ".mpg", "dv_video_h264.dcm": ".mp4", "dv_video_hevc.dcm": ".mp4"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", {"PACS_OPEN": "1"})
    server.start()
    yield server
    server.stop()


def test_films_of_every_kind_of_object(server: Server, tmp_path: Path) -> None:
    """Those of other classes than video have single frames as often: their samples tell."""
    (tmp_path / "films").mkdir()
    studies, stored = {}, {}
    for name in ENDING:
        film = dcmread(SHARED_DATA / "video" / name)
        film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = (
            MultiFrameTrueColorSecondaryCaptureImageStorage
        )
        film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        film.SeriesInstanceUID, film.StudyInstanceUID = generate_uid(), generate_uid()
        studies[name] = film.StudyInstanceUID
        stored[name] = sum(map(len, generate_fragments(film.PixelData[8:])))
        film.save_as(tmp_path / "films" / name)
    server.quick_command("import", str(tmp_path / "films"))
    with browser() as started:
        for name, study in studies.items():
            with page(started, f"{server.url}/viewer?StudyInstanceUIDs={study}") as opened:
                until(opened, "document.querySelector('.document a[download]') !== null")
                until(
                    opened,
                    "document.querySelector('.document video')?.videoWidth > 0 || "
                    "document.querySelector('.document .dim') !== null",
                )
                assert opened.get_attribute(".document a", "download") == f"film{ENDING[name]}"
                # never all in memory
                assert opened.get_attribute(".document a", "href").startswith("/dicom-web/")
                with opened.expect_download() as saved:
                    opened.click(".document a")
                assert saved.value.path().stat().st_size == stored[name]
                assert "video/" in opened.inner_text(".document") or opened.query_selector("video")
