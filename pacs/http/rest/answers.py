"""JSON as the REST API answers it: times in RFC 3339 UTC, lists as `{items, total, limit, offset}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response

JSON = "application/json"


def to_bytes(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_bytes(content), status, dict(headers or {}), media_type=JSON)


def listing(items: Sequence[Any], total: int | None, limit: int, offset: int) -> Response:
    """`total`: None when counting would cost too much."""
    return answer({"items": items, "total": total, "limit": limit, "offset": offset})
