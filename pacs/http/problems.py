"""The one place where errors become HTTP responses.

Every error body is `{"status": "error", "code", "message", "correlation_id"}`; a browser that opens an
address gets a page that says the same. An exception other than `PacsError` is a bug: 500, the traceback in
the log, no detail in the body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pacs.errors import (
    Damaged,
    PacsError,
    RangeNotSatisfiable,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
    UnsupportedEncoding,
)
from pacs.http.resource import Service

log = structlog.get_logger(__name__)

RETRY_AFTER = 5  # seconds

FailurePage = Callable[[Request, int, Mapping[str, str]], Response]
"""Makes a page from a status and the body of a problem."""

STATUS = "status"
"""Key in a request's state: the status of its answer, once that has begun (`pacs.http.envelope`)."""


def problem(
    request: Request, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    body = {
        "status": "error",
        "code": code,
        "message": message,
        "correlation_id": request.state.correlation_id,
    }
    page: FailurePage | None = getattr(request.app.state, "failure_page", None)
    shown = page if page is not None and _is_opened(request, status) else None
    answer = shown(request, status, body) if shown else JSONResponse(body, status)
    answer.headers.update({**_remark(request, message), **(headers or {})})
    return answer


def _is_opened(request: Request, status: int) -> bool:
    """Browsers prefer HTML when they open an address. Even they get the usual body with a 406."""
    return (
        request.method in ("GET", "HEAD")
        and status != HTTPStatus.NOT_ACCEPTABLE
        and request.headers.get("Accept", "").startswith("text/html")
    )


def _remark(request: Request, message: str) -> Mapping[str, str]:
    path = request.scope["path"]
    services = (each for each in request.app.routes if isinstance(each, Service))
    return next((each.remark(request, message) for each in services if path.startswith(f"{each.path}/")), {})


def pacs_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PacsError)
    if isinstance(error, Unavailable):  # its cause is logged where it was noticed; this may repeat often
        log.warning("request refused for now", code=error.code, reason=str(error))
    elif isinstance(error, Damaged):  # found in the store, not in the code
        log.error("request failed", code=error.code, reason=str(error))
    elif error.http_status >= 500:
        log.error("request failed", code=error.code, exc_info=error)
    return problem(request, error.http_status, error.code, str(error), _headers(error))


def _headers(error: PacsError) -> dict[str, str] | None:
    if isinstance(error, Unavailable):
        return {"Retry-After": str(RETRY_AFTER)}
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RangeNotSatisfiable):
        return {"Content-Range": f"bytes */{error.size}"}
    if isinstance(error, UnsupportedEncoding):
        return {"Accept-Encoding": "identity"}  # RFC 9110 §12.5.3
    return None


def http_error(request: Request, error: Exception) -> Response:
    """Starlette's own errors: no such route, no such method."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name
    headers, message = dict(error.headers) if error.headers else {}, error.detail
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_allowed(request)))
        message = f"{request.method} is not possible here; use {headers['Allow']}"
    return problem(request, error.status_code, code, message, headers)


def _allowed(request: Request) -> set[str]:
    """The methods of all routes at this path; Starlette names only those of the first."""
    scope = {**request.scope, "root_path": request.scope.get("app_root_path", "")}
    return {method for route in _at(request.app.routes, scope) for method in route.methods or ()}


def _at(routes: Iterable[BaseRoute], scope: Scope) -> Iterator[Route]:
    for route in routes:
        match, found = route.matches(scope)
        if match is not Match.NONE and isinstance(route, Mount):
            yield from _at(route.routes, {**scope, **found})
        elif match is not Match.NONE and isinstance(route, Route):
            yield route


def caller_gone(request: Request, _: Exception) -> Response:
    """The client disconnected while its body was being read, so nobody gets this answer."""
    log.info("client disconnected", method=request.method)
    return Response(status_code=400)


class ExpectedMiddleware:
    """Answers what routes raise on purpose, and a caller who is gone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except tuple(_ANSWERS) as error:
            if STATUS in scope["state"]:
                raise
            found = next(answer for kind, answer in _ANSWERS.items() if isinstance(error, kind))
            await found(Request(scope), error)(scope, receive, send)


class UnexpectedMiddleware:
    """Answers 500 for an unexpected exception, unless the answer had begun: then the connection is broken.

    It is also broken when the rest of a body cannot be produced, so that no truncated body looks whole.
    Requests that are cut off when the server stops get 503.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:  # the server stops, and its time for requests is over
            log.warning("request cut off", method=scope["method"], hint="PACS_DRAIN_TIMEOUT is what they get")
            if STATUS not in scope["state"]:
                answer = pacs_error(Request(scope), Unavailable("the server is stopping; try again soon"))
                await answer(scope, receive, send)
        except Exception as error:
            begun = STATUS in scope["state"]
            if begun and isinstance(error, PacsError):
                log.warning("answer broken off", method=scope["method"], code=error.code, reason=str(error))
                return
            log.error("unexpected error", method=scope["method"], exc_info=error)
            if begun:
                raise
            answer = problem(Request(scope), 500, PacsError.code, "Something went wrong in the archive.")
            await answer(scope, receive, send)


_ANSWERS: dict[type[Exception], Callable[[Request, Any], Response]] = {
    PacsError: pacs_error,
    HTTPException: http_error,
    ClientDisconnect: caller_gone,
}
