"""JSON bodies of requests: bounded in size and time, checked against a model, refused with what is wrong."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from pacs.errors import BadInput, LimitExceeded, Stalled, Unprocessable, UnsupportedMediaType

MAX_BODY = 64 << 10
PATIENCE = 30.0
"""Seconds that all of a body gets to come."""
JSON = "application/json"


class Body(BaseModel):
    """What a request may say; a misspelt field is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


B = TypeVar("B", bound=BaseModel)


async def read(request: Request, model: type[B], unsaid: str = JSON) -> B:
    """`BadInput` for what is no JSON, `Unprocessable` for JSON that does not fit, `Stalled` for half of it.

    `unsaid`: the media type of a body that names none.
    """
    kind = request.headers.get("content-type", unsaid).partition(";")[0].strip().lower()
    if kind != JSON:
        raise UnsupportedMediaType(f"the body is to be {JSON}")
    try:
        async with asyncio.timeout(PATIENCE):
            body = await _whole(request)
    except TimeoutError:
        raise Stalled from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise BadInput("the body is no JSON") from None
        raise Unprocessable(faults(error)) from None


async def _whole(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise LimitExceeded(f"the body is longer than {MAX_BODY} bytes")
    return bytes(body)


def faults(error: ValidationError) -> str:
    """What is wrong and where, never what was sent."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{_where(fault['loc'])}: {fault['msg']}" for fault in found[:10])


def _where(location: tuple[int | str, ...]) -> str:
    """Names of fields are ours, unless nobody knows them."""
    return ".".join(str(part)[:64] for part in location if str(part).isidentifier()) or "body"
