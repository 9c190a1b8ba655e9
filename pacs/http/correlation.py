"""Each request has a correlation ID: the caller's when well-formed, else a new one.

It is returned in `X-Correlation-ID`, bound to the log, and in `request.state.correlation_id`.
"""

from __future__ import annotations

from starlette.types import Scope
from structlog.contextvars import bind_contextvars

from pacs.actor import correlation_id
from pacs.http.headers import RawHeader

HEADER = "X-Correlation-ID"
_RAW = HEADER.lower().encode()


def begin(scope: Scope) -> RawHeader:
    """Gives the request its ID; returns the header for its answer.

    The log's context is that of the request's task, so there is none to restore.
    """
    offered = next((value.decode("latin-1") for name, value in scope["headers"] if name == _RAW), None)
    number = scope["state"]["correlation_id"] = correlation_id(offered)
    bind_contextvars(correlation_id=number, tenant=None)
    return _RAW, number.encode()
