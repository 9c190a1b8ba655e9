"""The HTTP application: what every edge's routes are mounted in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from pacs.http import health, metrics
from pacs.http.authentication import Authenticate, AuthenticationMiddleware, everyone
from pacs.http.correlation import CorrelationMiddleware
from pacs.http.headers import SecurityHeadersMiddleware
from pacs.http.metrics import TimingMiddleware
from pacs.http.problems import HANDLERS, UnexpectedMiddleware
from pacs.metrics import Sample

App = Starlette


def create_app(
    checks: Mapping[str, health.Check],
    samples: Mapping[str, tuple[str, Sample]],
    routes: Iterable[BaseRoute] = (),
    authenticate: Authenticate = everyone,
    base_url: str | None = None,
) -> App:
    """`checks` decide readiness, `samples` are read for each `/metrics`; `routes` are the edges'.

    `base_url`: where callers see this server, when a proxy does not say.
    """
    table = [*health.routes(health.Readiness(checks)), metrics.route(samples), *routes]
    app = Starlette(
        routes=table,
        middleware=[
            Middleware(CorrelationMiddleware),
            Middleware(SecurityHeadersMiddleware),
            Middleware(TimingMiddleware, patterns=dict(metrics.patterns(table))),
            Middleware(UnexpectedMiddleware),
            Middleware(AuthenticationMiddleware, authenticate=authenticate),
        ],
        exception_handlers=HANDLERS,
    )
    app.state.base_url = base_url
    return app
