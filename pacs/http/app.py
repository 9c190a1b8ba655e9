"""The HTTP application: the middleware stack, health and metrics around the routes of all edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from pacs.http import health, metrics
from pacs.http.authentication import Authenticate, AuthenticationMiddleware, everyone
from pacs.http.correlation import CorrelationMiddleware
from pacs.http.cors import CorsMiddleware
from pacs.http.crowding import CrowdedMiddleware
from pacs.http.headers import SecurityHeadersMiddleware
from pacs.http.metrics import TimingMiddleware
from pacs.http.origin import ForwardedMiddleware, Trusted, nobody
from pacs.http.problems import HANDLERS, UnexpectedMiddleware
from pacs.http.refusals import Refusals
from pacs.http.slashes import TrailingSlashMiddleware
from pacs.metrics import Sample
from pacs.model import AuditRecord

App = Starlette


def _unrecorded(record: AuditRecord) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call. `record` audits refusals. `origins`: other sites whose pages may call this server
    (CORS). `frames`: origins of sites that may embed its pages."""

    authenticate: Authenticate = everyone
    record: Callable[[AuditRecord], None] = _unrecorded
    origins: frozenset[str] = frozenset()
    frames: frozenset[str] = frozenset()


def create_app(
    checks: Mapping[str, health.Check],
    samples: Mapping[str, tuple[str, Sample]],
    routes: Iterable[BaseRoute] = (),
    access: Access | None = None,
    base_url: str | None = None,
    trusted: Trusted = nobody,
) -> App:
    """`routes`: the edges'. `checks` decide readiness; `samples` are read for each `/metrics`.

    `access`: who may call; everybody when absent, for tests of what lies behind it.
    `base_url`: this server's public address, whatever a proxy says. `trusted`: the proxies whose
    forwarding headers are believed.
    """
    access = access or Access()
    table = [*health.routes(health.Readiness(checks)), metrics.route(samples), *routes]
    app = Starlette(
        routes=table,
        middleware=[
            Middleware(TrailingSlashMiddleware),
            Middleware(ForwardedMiddleware, trusted=trusted),
            Middleware(CorrelationMiddleware),
            Middleware(SecurityHeadersMiddleware, frames=access.frames),
            Middleware(TimingMiddleware, patterns=dict(metrics.patterns(table))),
            Middleware(CrowdedMiddleware),
            Middleware(UnexpectedMiddleware),
            Middleware(CorsMiddleware, origins=access.origins),
            Middleware(
                AuthenticationMiddleware,
                authenticate=access.authenticate,
                routes=table,
                refusals=Refusals(access.record),
            ),
        ],
        exception_handlers=HANDLERS,
    )
    app.state.base_url = base_url
    return app
