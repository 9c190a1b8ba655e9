"""The error tree as PS3.7 Annex C says it."""

from __future__ import annotations

import pytest

from dimse.status import elements_of, is_warning
from pacs import errors


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.StorageFull(), 0xA700),
        (errors.DatabaseUnavailable(), 0xA700),
        (errors.DataSetMismatch(), 0xA900),
        (errors.MissingIdentity(), 0xA900),
        (errors.InvalidDataSet(), 0xC000),
        (errors.Forbidden(), 0x0124),
        (errors.UnknownDestination(), 0xA801),
        (ZeroDivisionError("Smith^John"), 0x0110),
    ],
)
def test_status(error: Exception, status: int) -> None:
    elements = elements_of(error)
    assert elements["Status"] == status
    assert "Smith" not in elements["ErrorComment"]


@pytest.mark.parametrize(("status", "warning"), [(0, False), (0xB000, True), (0xA700, False), (0xB007, True)])
def test_warnings(status: int, warning: bool) -> None:
    assert is_warning(status) is warning
