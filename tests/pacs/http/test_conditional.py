"""Which of the entity tags that a caller sends are the one."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from pacs.errors import PreconditionFailed
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


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        (['"a"'], True),
        (['"b", "a"'], True),
        (["*"], True),
        (['"b"'], False),
        (['W/"a"'], False),  # §13.1.1: compared strongly
        ([""], False),
    ],
)
def test_a_caller_who_wants_another_state_gets_none(fields: list[str], holds: bool) -> None:
    headers = [(b"if-match", field.encode()) for field in fields]
    request = Request({"type": "http", "headers": headers})
    if holds:
        assert is_known(request, '"a"') is False
    else:
        with pytest.raises(PreconditionFailed):
            is_known(request, '"a"')
