"""The search resources over an index of its own, with nothing behind it but rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from starlette.routing import Mount
from starlette.testclient import TestClient

from dicomweb.app import ROOT
from dicomweb.search.qido import SearchSettings, resources
from pacs.http.app import create_app
from pacs.ports import Blobs
from storage.database import Database
from tests.storage import bulk
from tests.storage.world import archive_of

BASE = "http://testserver/dicom-web"


@contextmanager
def searching(
    database: Database, entities: Sequence[bulk.Entity] = (), settings: SearchSettings | None = None
) -> Iterator[TestClient]:
    if entities:
        with database.write() as connection:
            bulk.enter(connection, entities)
    with archive_of(database, cast(Blobs, None)) as archive:
        routes = [Mount(ROOT, routes=resources(archive, settings or SearchSettings(), ROOT))]
        with TestClient(create_app({}, {}, routes), base_url="http://testserver") as client:
            client.base_url = client.base_url.join(f"{ROOT}/")
            yield client


def values(answer: dict[str, Any], tag: str) -> Any:
    return answer[tag].get("Value")


def one(answers: Sequence[dict[str, Any]], tag: str) -> list[Any]:
    """The first value of an attribute in each answer."""
    return [answer[tag]["Value"][0] for answer in answers]
