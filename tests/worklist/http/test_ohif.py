"""OHIF's build, as far as we serve it: here a folder that looks like it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from worklist.http import pages

DOCUMENT = """<!doctype html><html><head><script>window.PUBLIC_URL = '/';</script>
<link rel="manifest" href="/manifest.json"/><script src="/app-config.js"></script>
<script defer="defer" src="/app.bundle.096daabbdde29bd851ab.js"></script></head><body></body></html>"""
BUNDLE = "app.bundle.096daabbdde29bd851ab.js"


def client(folder: Path, base: str | None = None) -> TestClient:
    app = Starlette(routes=pages.site(folder).routes)
    app.state.base_url = base
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(DOCUMENT)
    (tmp_path / BUNDLE).write_text("bundle")
    (tmp_path / f"{BUNDLE}.gz").write_bytes(gzip.compress(b"bundle"))
    (tmp_path / "app-config.js").write_text("theirs")
    return tmp_path


def test_without_it_the_built_in_viewer_opens(tmp_path: Path) -> None:
    answer = client(tmp_path).get("/viewer?StudyInstanceUIDs=1.2")
    assert answer.status_code == 200 and '<meta name="viewer" content="built-in">' in answer.text


def test_with_it_the_viewer_is_ohif_and_the_built_in_one_stays(folder: Path) -> None:
    served = client(folder)
    answer = served.get("/viewer?StudyInstanceUIDs=1.2")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/ohif/viewer?StudyInstanceUIDs=1.2")
    assert '<meta name="viewer" content="ohif">' in served.get("/view").text


@pytest.mark.parametrize(("base", "root"), [(None, ""), ("https://example.org/pacs", "/pacs")])
def test_its_document_names_where_it_lies(folder: Path, base: str | None, root: str) -> None:
    served = client(folder, base)
    for path in ("/ohif/", "/ohif/viewer?StudyInstanceUIDs=1.2", "/ohif/index.html"):
        answer = served.get(path)
        assert f'src="{root}/ohif/{BUNDLE}"' in answer.text and f"PUBLIC_URL = '{root}/ohif/'" in answer.text
        assert f'<meta name="root" content="{root}">' in answer.text
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert "'sha256-" in answer.headers["Content-Security-Policy"]


def test_it_may_compile_what_it_writes_but_the_other_pages_may_not(folder: Path) -> None:
    """Its ndarray does, which segmentations are read with; its workers are under their own policy."""
    served = client(folder)
    for path in ("/ohif/viewer", f"/ohif/{BUNDLE}"):
        policy = served.get(path).headers["Content-Security-Policy"]
        assert "script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval' blob:" in policy
        assert "default-src 'self'" in policy and "'unsafe-inline'" not in policy.split("style-src")[0]
    assert "eval" not in served.get("/view").headers["Content-Security-Policy"]


def test_its_files_are_served_as_they_are_but_the_configuration_is_ours(folder: Path) -> None:
    served = client(folder)
    bundle = served.get(f"/ohif/{BUNDLE}")
    assert bundle.text == "bundle" and bundle.headers["Content-Encoding"] == "gzip"
    assert "immutable" in bundle.headers["Cache-Control"]
    assert served.get(f"/ohif/{BUNDLE}", headers={"Accept-Encoding": "identity"}).content == b"bundle"
    configuration = served.get("/ohif/app-config.js")
    assert "lightbox" in configuration.text and configuration.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/ohif/nothing.js", "/ohif/../pages.py", "/ohif/%2e%2e%2fpages.py"])
def test_nothing_else_is_served(folder: Path, path: str) -> None:
    assert client(folder).get(path).status_code == 404
