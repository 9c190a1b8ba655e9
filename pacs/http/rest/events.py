"""`/api/v1/events`: the change feed as it happens, as server-sent events (HTML Living Standard §9.2).

The id of an event is its number in the change feed, so a browser that reconnects with
`Last-Event-ID` misses nothing. A browser whose next changes are no longer kept gets `changes.gone` first
and reloads. A stream that fails ends regularly, so that the browser reconnects.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pacs.errors import ChangesGone, Unavailable
from pacs.feed import Change
from pacs.http.operation import TEXT, WHOLE, Operation, describe
from pacs.http.resource import Resource, actor
from pacs.http.rest.answers import to_bytes
from pacs.http.rest.broadcast import Broadcast
from pacs.http.rest.parameters import number, parameters
from pacs.rights import Right

log = structlog.get_logger(__name__)

RETRY = 2_000  # milliseconds until a disconnected browser reconnects
_MEDIA_TYPE, _HEADERS = "text/event-stream", {"X-Accel-Buffering": "no"}
_OPENING = b"retry: %d\n\n" % RETRY
_GONE = "changes.gone"
_HEARTBEAT = b": nothing new\n\n"


def route(path: str, broadcast: Broadcast) -> Resource:
    @describe(Operation({"after": WHOLE}, {"Last-Event-ID": WHOLE}, answers={"text/event-stream": TEXT}))
    async def follow_events(request: Request) -> Response:
        """Changes as they happen, as server-sent events; `Last-Event-ID` or `after` replays."""
        given = parameters(request, ("after",))
        last = request.headers.get("Last-Event-ID")
        if last is not None:
            given = {"after": last.strip()}
        after = number(given, "after", 0) if given else None
        if request.method == "HEAD":  # an endless answer without a body
            return Response(headers=_HEADERS, media_type=_MEDIA_TYPE)
        organization = actor(request).organization
        leave = broadcast.enter(organization)
        return _Stream(_events(broadcast, organization, after), leave)

    return Resource(path, follow_events, Right.READ)


class _Stream(StreamingResponse):
    """Gives its place back however it ends, even if its first byte was never sent."""

    def __init__(self, events: AsyncIterator[bytes], leave: Callable[[], None]) -> None:
        super().__init__(events, headers=_HEADERS, media_type=_MEDIA_TYPE)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


async def _events(broadcast: Broadcast, organization: int, after: int | None) -> AsyncIterator[bytes]:
    yield _OPENING
    try:
        async for change in broadcast.listen(organization, after):
            yield _HEARTBEAT if change is None else _event(change)
    except Unavailable as error:
        log.warning("event stream ends early", reason=type(error).__name__)


def _event(change: Change | ChangesGone) -> bytes:
    if isinstance(change, ChangesGone):
        kind, said = _GONE, to_bytes({"kind": _GONE, "seq": change.seq})
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (change.seq, kind.encode(), said)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (change.seq, change.kind.encode(), to_bytes(change))
