"""Bodies of requests: whole, small, in time, and what their resource takes."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel
from starlette.requests import Request
from starlette.types import Message

from pacs.errors import BadInput, LimitExceeded, PacsError, Stalled, Unprocessable, UnsupportedMediaType
from pacs.http.rest import bodies


class Model(BaseModel):
    name: str


def asked(*pieces: bytes, kind: bytes | None = b"application/json", stalls: bool = False) -> str:
    """The name that was read of a body that comes in pieces."""
    waiting = list(pieces)

    async def receive() -> Message:
        if not waiting and stalls:
            await asyncio.Event().wait()
        body = waiting.pop(0) if waiting else b""
        return {"type": "http.request", "body": body, "more_body": stalls or bool(waiting)}

    headers = [] if kind is None else [(b"content-type", kind)]
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)
    return asyncio.run(bodies.read(request, Model)).name


def test_a_body_comes_in_pieces() -> None:
    assert asked(b'{"na', b"", b'me": ', b'"x"}', kind=b"Application/JSON; charset=utf-8") == "x"
    assert asked(b'{"name": "x"}', kind=None) == "x"


@pytest.mark.parametrize(
    ("pieces", "kind", "error"),
    [
        ([b'{"name": '], b"application/json", BadInput),
        ([b"\xff"], b"application/json", BadInput),
        ([b'{"name": 1}'], b"application/json", Unprocessable),
        ([b"[]"], b"application/json", Unprocessable),
        ([b'{"name": "x"}'], b"text/plain", UnsupportedMediaType),
        ([b"[" * 1024] * 65, b"application/json", LimitExceeded),
    ],
)
def test_what_cannot_be_taken(pieces: list[bytes], kind: bytes, error: type[PacsError]) -> None:
    with pytest.raises(error) as raised:
        asked(*pieces, kind=kind)
    assert type(raised.value) is error


def test_half_a_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.01)
    with pytest.raises(Stalled):
        asked(b'{"name": ', stalls=True)
