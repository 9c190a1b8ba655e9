"""Which of the entity tags that a caller sends are the one."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from pacs.http.conditional import is_known


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ([], False),
        (['"a"'], True),
        (['W/"a"'], True),
        (['"b", "a"'], True),
        (['"b"', '"a"'], True),
        (["*"], True),
        (['"b"'], False),
        (["a"], False),
    ],
)
def test_entity_tags(fields: list[str], known: bool) -> None:
    headers = [(b"if-none-match", field.encode()) for field in fields]
    assert is_known(Request({"type": "http", "headers": headers}), '"a"') is known
