"""`/api/v1/changes`: the organisation's change feed, read page by page from a number on."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pacs.http.operation import OBJECT, WHOLE, Operation, answers_json, describe
from pacs.http.resource import Resource, actor
from pacs.http.rest.answers import answer
from pacs.http.rest.parameters import number, parameters
from pacs.ports import ChangeFeed
from pacs.rights import Right

MOST = 1_000
_QUERY = {
    "after": WHOLE,
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": 100},
}
_PAGE = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": OBJECT},
        "last": WHOLE,
        "more": {"type": "boolean"},
    },
}


def route(path: str, feed: ChangeFeed) -> Resource:
    @describe(Operation(_QUERY, answers=answers_json(_PAGE)))
    def list_changes(request: Request) -> Response:
        """The changes after a number, oldest first; without one, all that are still kept.

        Continue with `after` set to `last`; `more` says whether there is another page already. 410: the
        changes after that number are no longer kept.
        """
        given = parameters(request, ("after", "limit"))
        after = number(given, "after", 0) if "after" in given else None
        limit = number(given, "limit", 100, 1, MOST)
        found = feed.read(actor(request).organization, after, limit + 1)
        items = found[:limit]
        return answer(
            {"items": items, "last": items[-1].seq if items else after or 0, "more": len(found) > limit}
        )

    return Resource(path, list_changes, Right.READ)
