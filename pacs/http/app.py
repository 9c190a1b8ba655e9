"""The HTTP application: the layers around the routes of all edges, health and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pacs.http import health, metrics
from pacs.http.authentication import Authenticate, AuthenticationMiddleware, everyone
from pacs.http.connection_limit import ConnectionLimitMiddleware
from pacs.http.cors import CorsMiddleware
from pacs.http.envelope import EnvelopeMiddleware
from pacs.http.headers import SecurityHeaders
from pacs.http.origin import ForwardedMiddleware, Trusted, nobody
from pacs.http.problems import ExpectedMiddleware, FailurePage, UnexpectedMiddleware
from pacs.http.refusals import Refusals
from pacs.http.route_table import RouteTable
from pacs.http.slashes import TrailingSlashMiddleware
from pacs.metrics import Sample
from pacs.model import AuditRecord


class App(Starlette):
    """Has a table in place of Starlette's search for a route, and our layers in place of its own."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        super().__init__(routes=routes)
        self.layered: ASGIApp = RouteTable(self.router)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        scope.setdefault("state", {})
        answer = self.layered if scope["type"] == "http" else self.router
        await answer(scope, receive, send)


def _unrecorded(record: AuditRecord) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call, and who is believed.

    `record` audits refusals. `origins`: other sites whose pages may call this server (CORS). `frames`: sites
    that may embed its pages. `trusted`: the proxies whose forwarding headers are believed.
    """

    authenticate: Authenticate = everyone
    record: Callable[[AuditRecord], None] = _unrecorded
    origins: frozenset[str] = frozenset()
    frames: frozenset[str] = frozenset()
    trusted: Trusted = nobody


def create_app(
    checks: Mapping[str, health.Check],
    samples: Mapping[str, tuple[str, Sample]],
    routes: Iterable[BaseRoute] = (),
    access: Access | None = None,
    base_url: str | None = None,
    failure_page: FailurePage | None = None,
) -> App:
    """`routes`: the edges'. `checks` decide readiness; `samples` are read for each `/metrics`.

    `access`: who may call; without it everybody may, for tests of the routes themselves.
    `base_url`: this server's public address, whatever a proxy says. `failure_page`: what a browser shows when
    opening an address fails.
    """
    access = access or Access()
    app = App([*health.routes(health.Readiness(checks)), metrics.route(samples), *routes])
    app.state.base_url, app.state.failure_page = base_url, failure_page
    for layer in reversed(_layers(app, access)):
        app.layered = layer(app.layered)
    return app


def _layers(app: App, access: Access) -> list[Callable[[ASGIApp], ASGIApp]]:
    """The outermost first."""
    security = SecurityHeaders(access.frames)
    requests = metrics.RequestMetrics(app.routes)
    refusals = Refusals(access.record)
    return [
        TrailingSlashMiddleware,
        partial(ForwardedMiddleware, trusted=access.trusted),
        partial(EnvelopeMiddleware, security=security, metrics=requests),
        ConnectionLimitMiddleware,
        UnexpectedMiddleware,
        *([partial(CorsMiddleware, origins=access.origins)] if access.origins else []),
        partial(
            AuthenticationMiddleware,
            authenticate=access.authenticate,
            routes=app.routes,
            refusals=refusals,
        ),
        ExpectedMiddleware,
    ]
