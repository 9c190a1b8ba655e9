"""JSON bodies of requests: bounded, checked against a model, refused with what is wrong and where."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from pacs.errors import BadInput, LimitExceeded, Unprocessable, UnsupportedMediaType

MAX_BODY = 64 << 10
JSON = "application/json"


class Body(BaseModel):
    """What a request may say; a misspelt field is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


B = TypeVar("B", bound=Body)


async def read(request: Request, model: type[B]) -> B:
    """`BadInput` for what is no JSON, `Unprocessable` for JSON that does not fit."""
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind != JSON:
        raise UnsupportedMediaType(f"the body is to be {JSON}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise LimitExceeded(f"the body is longer than {MAX_BODY} bytes")
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise BadInput("the body is no JSON") from None
        raise Unprocessable(faults(error)) from None


def faults(error: ValidationError) -> str:
    """What is wrong and where, never what was sent."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{_where(fault['loc'])}: {fault['msg']}" for fault in found[:10])


def _where(location: tuple[int | str, ...]) -> str:
    """Names of fields are ours, unless nobody knows them."""
    return ".".join(str(part)[:64] for part in location if str(part).isidentifier()) or "body"
