"""The HTTP application: what every edge's routes are mounted in."""

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
    """`record` audits refusals; `origins` are those of other sites whose pages may call (CORS), `frames`
    those of sites that may show our pages within theirs."""

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
    """`checks` decide readiness, `samples` are read for each `/metrics`; `routes` are the edges'.

    `access`: whom it lets in; everybody when absent, for tests of what comes behind.
    `base_url`: where callers see this server, whatever a proxy says; `trusted`: which proxy may say it.
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
