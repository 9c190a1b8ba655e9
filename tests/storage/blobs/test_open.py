from __future__ import annotations

from pathlib import Path

import pytest

from pacs.errors import Unavailable
from storage.blobs import LocalBlobs, S3Access, S3Blobs, SpoolLimits, open_blobs
from tests.storage.blobs.worlds import publish

NO_RESERVE = SpoolLimits(reserve=0)


def test_by_default_blobs_lie_in_the_data_folder(tmp_path: Path) -> None:
    opened = open_blobs(None, tmp_path, limits=NO_RESERVE)
    publish(opened, b"x")
    assert isinstance(opened, LocalBlobs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "spool"]
    opened.close()


def test_a_folder_elsewhere_has_its_spool_beside_the_blobs(tmp_path: Path) -> None:
    opened = open_blobs(f"file://{tmp_path}/far%20away", tmp_path / "data", limits=NO_RESERVE)
    publish(opened, b"x")
    assert sorted(path.name for path in (tmp_path / "far away").iterdir()) == ["blobs", "spool"]
    assert not (tmp_path / "data").exists()
    opened.close()


def test_a_new_folder_elsewhere_is_ready(tmp_path: Path) -> None:
    """A server that waits for the first object to be ready would get none from a load balancer."""
    opened = open_blobs(f"file://{tmp_path}/far/away", tmp_path / "data", limits=NO_RESERVE)
    opened.ready()
    opened.close()


def test_a_folder_that_cannot_be_made_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "far").touch()
    opened = open_blobs(f"file://{tmp_path}/far/away", tmp_path / "data", limits=NO_RESERVE)
    with pytest.raises(Unavailable):
        opened.ready()
    opened.close()


def test_a_bucket_has_its_spool_in_the_data_folder(tmp_path: Path) -> None:
    opened = open_blobs("s3://bucket/prefix", tmp_path, S3Access(region="us-east-1"), NO_RESERVE)
    assert isinstance(opened, S3Blobs)
    assert opened.spool_root == tmp_path / "spool"
    opened.close()


@pytest.mark.parametrize("url", ["", "s3://", "ftp://host/x", "file://host/x", "/var/blobs", "C:\\blobs"])
def test_other_places_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="blobs are kept at"):
        open_blobs(url, tmp_path)
