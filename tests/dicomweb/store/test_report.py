"""One status for many instances, each of which has one of its own."""

from __future__ import annotations

import pytest

from dicomweb.store.report import Kept, Refused, Result, http_status
from pacs.errors import DatabaseUnavailable, InvalidDataSet, LimitExceeded, StorageFull
from pacs.model import Identity

KEPT = Kept(Identity("1.2", "1.3", "1.4", "1.5"))
WARNED = Kept(KEPT.identity, "another version")
FULL, AWAY = Refused(StorageFull()), Refused(DatabaseUnavailable())
LARGE, BAD = Refused(LimitExceeded()), Refused(InvalidDataSet())


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([KEPT, KEPT], 200),
        ([KEPT, WARNED], 202),
        ([KEPT, FULL], 202),
        ([BAD, BAD], 409),
        ([LARGE, LARGE], 413),
        ([LARGE, BAD], 409),
        ([FULL, FULL], 507),
        ([AWAY, AWAY], 503),
        ([FULL, AWAY], 503),
        ([AWAY, BAD], 409),
    ],
)
def test_status(results: list[Result], status: int) -> None:
    assert http_status(results) == status
