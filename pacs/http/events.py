"""`/api/v1/events`: the change feed as it happens, as server-sent events (HTML Living Standard §9.2).

The id of an event is its number in the change feed, so a browser that reconnects with
`Last-Event-ID` misses nothing. A stream that cannot be read on ends well, so that the browser comes back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pacs.errors import Unavailable
from pacs.feed import Change
from pacs.http.answers import to_bytes
from pacs.http.broadcast import Broadcast
from pacs.http.described import TEXT, WHOLE, Described, describe
from pacs.http.parameters import number, parameters
from pacs.http.resource import Resource, actor
from pacs.rights import Right

log = structlog.get_logger(__name__)

RETRY = 2_000  # milliseconds until a browser that was cut off comes back
_OPENING = b"retry: %d\n\n" % RETRY
_HEARTBEAT = b": nothing new\n\n"


def route(path: str, broadcast: Broadcast) -> Resource:
    @describe(Described({"after": WHOLE}, {"Last-Event-ID": WHOLE}, answers={"text/event-stream": TEXT}))
    async def follow_events(request: Request) -> Response:
        """Changes as they happen, as server-sent events; `Last-Event-ID` or `after` replays."""
        given = parameters(request, ("after",))
        last = request.headers.get("Last-Event-ID")
        if last is not None:
            given = {"after": last.strip()}
        after = number(given, "after", 0) if given else None
        organization = actor(request).organization
        broadcast.check_room(organization)
        events = _events(broadcast, organization, after)
        return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return Resource(path, follow_events, Right.READ)


async def _events(broadcast: Broadcast, organization: int, after: int | None) -> AsyncIterator[bytes]:
    yield _OPENING
    try:
        async for change in broadcast.listen(organization, after):
            yield _HEARTBEAT if change is None else _event(change)
    except Unavailable as error:
        log.warning("event stream ends early", reason=type(error).__name__)


def _event(change: Change) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (change.seq, change.kind.encode(), to_bytes(change))
