"""JSON request bodies: bounded in size and time, validated against a model, refused with the reason."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from pacs.errors import BadInput, LimitExceeded, Stalled, Unprocessable, UnsupportedMediaType

MAX_BODY = 64 << 10
PATIENCE = 30.0
"""Seconds within which a whole body must arrive."""
JSON = "application/json"
_PLAIN = {
    "extra_forbidden": "there is no such field",
    "missing": "this field is needed",
    "string_pattern_mismatch": "this is malformed",
}
"""Messages in place of pydantic's."""


class Body(BaseModel):
    """Base of request models; an unknown field is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


B = TypeVar("B", bound=BaseModel)


async def read(request: Request, model: type[B], default_type: str = JSON) -> B:
    """`BadInput` for malformed JSON, `Unprocessable` for invalid fields, `Stalled` for a body that stops.

    `default_type`: the media type assumed for a body without Content-Type.
    """
    kind = request.headers.get("content-type", default_type).partition(";")[0].strip().lower()
    if kind != JSON:
        raise UnsupportedMediaType(f"send the body as {JSON}")
    try:
        async with asyncio.timeout(PATIENCE):
            body = await _whole(request)
    except TimeoutError:
        raise Stalled from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise BadInput("the body is not valid JSON") from None
        raise Unprocessable(faults(error)) from None


async def _whole(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise LimitExceeded(f"the body is longer than {MAX_BODY} bytes")
    return bytes(body)


def faults(error: ValidationError) -> str:
    """What is wrong and in which field, never the value that was sent."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{_where(fault['loc'])}: {_PLAIN.get(fault['type'], fault['msg'])}" for fault in found[:10]
    )


def _where(location: tuple[int | str, ...]) -> str:
    """The field's path; an unknown field's name is the caller's text, so it is left out."""
    return ".".join(str(part)[:64] for part in location if str(part).isidentifier()) or "body"
