"""No test of the storage locks rows in an order that another transaction could meet the other way round."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.storage.lock_order import watched


@pytest.fixture(autouse=True, scope="session")
def lock_faults() -> Iterator[list[str]]:
    with watched() as faults:
        yield faults


@pytest.fixture(autouse=True)
def rows_are_locked_in_order(lock_faults: list[str]) -> Iterator[None]:
    lock_faults.clear()
    yield
    assert not lock_faults, "\n".join(lock_faults)
