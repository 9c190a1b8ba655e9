"""Lists: filters and a page as parameters, answered as `{items, total, limit, offset}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pacs.http.operation import OBJECT, WHOLE, Operation, Schema, answers_json
from pacs.http.rest.answers import answer
from pacs.http.rest.parameters import number, parameters

DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET = 50, 1_000, (1 << 31) - 1
_PAGE: dict[str, Schema] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
}
_LISTING: Schema = {
    "type": "object",
    "required": ["items", "total", "limit", "offset"],
    "properties": {
        "items": {"type": "array", "items": OBJECT},
        "total": {"type": ["integer", "null"], "description": "null when counting them would cost too much"},
        "limit": WHOLE,
        "offset": WHOLE,
    },
}
_NONE: Mapping[str, Schema] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Page:
    limit: int = DEFAULT_LIMIT
    offset: int = 0

    def answer(self, items: Sequence[Any], total: int | None) -> Response:
        """`total`: None when counting would cost too much."""
        return answer({"items": items, "total": total, "limit": self.limit, "offset": self.offset})


def listed(filters: Mapping[str, Schema] = _NONE) -> Operation:
    """Describes an endpoint that begins with `filters_and_page` for the same filters."""
    return Operation({**filters, **_PAGE}, answers=answers_json(_LISTING))


def filters_and_page(request: Request, filters: Mapping[str, Schema] = _NONE) -> tuple[dict[str, str], Page]:
    """The filters that were given, and the page."""
    given = parameters(request, filters.keys() | _PAGE.keys())
    limit = number(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    offset = number(given, "offset", 0, 0, MAX_OFFSET)
    return {name: value for name, value in given.items() if name in filters}, Page(limit, offset)
