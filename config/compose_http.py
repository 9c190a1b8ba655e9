"""The HTTP half of the composition root: the application with all its edges, for one process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from config import health_checks
from config.compose import Installation, metadata, rendering, transcoder
from config.settings import Settings
from config.sources import secret_key
from dicomweb import app as dicomweb
from dicomweb.search.qido import SearchSettings
from pacs.actor import Actor
from pacs.http import health
from pacs.http.app import Access, App, create_app
from pacs.http.open_access import OpenOnLoopback
from pacs.http.origin import trusted_networks
from pacs.http.pictures import Pictures
from pacs.http.rest import api
from pacs.http.rest.broadcast import Audience
from pacs.http.rest.sign_in import AuthResources
from pacs.http.rest.signed_urls import Signer
from pacs.http.sessions import SessionEpoch, Sessions
from pacs.http.tokens import Tokens
from pacs.metrics import CachedSample
from pacs.sign_in import SignIn
from storage import figures
from storage.accounts.users import SqlAccounts
from storage.changes import SqlChangeFeed
from storage.jobs.listing import SqlJobs
from storage.jobs.tasks import SqlTasks
from storage.study_management.studies import SqlStudyManagement
from worklist.http import pages


def http_app(
    installation: Installation, stopping: Callable[[], bool], epoch: SessionEpoch | None = None
) -> App:
    """`stopping`: whether this process is shutting down. `epoch`: shared with the other HTTP processes."""
    database, settings = installation.database, installation.settings
    vital = health_checks.vital(installation)
    sessions = None if settings.open else Sessions(installation.accounts, Tokens(secret_key(settings)), epoch)
    origins = frozenset(settings.cors_origins)
    pictures = Pictures(rendering(installation))
    site = pages.site(settings.ohif_dir, settings.time_zone or "", (settings.dimse.port, settings.ae_title))
    return create_app(
        checks=vital,
        samples={
            "pacs_jobs": ("Jobs by state", partial(figures.jobs_by_state, database)),
            "pacs_stored_bytes": (
                "Bytes of all objects kept",
                CachedSample(partial(figures.stored_bytes, database)),
            ),
        },
        routes=[
            health.detailed(vital, health_checks.others(installation)),
            *dicomweb.routes(web(installation, pictures)),
            *api.routes(rest_of(installation, pictures, stopping)),
            *AuthResources(sign_in(installation), sessions).routes(),
            *site.routes,
        ],
        access=Access(
            authenticate=sessions or OpenOnLoopback(origins),
            record=installation.archive.audit.record,
            origins=origins,
            frames=frozenset(settings.frame_origins),
            trusted=trusted_networks(settings.trusted_proxies),
        ),
        base_url=settings.base_url,
        failure_page=site.failure,
    )


def _still_here(accounts: SqlAccounts, is_open: bool, who: Actor) -> bool:
    known = accounts.credentials(who.name)
    if known is None:
        return is_open  # without authentication there are no accounts
    return known.user.active and known.user.organization == who.organization


def rest_of(installation: Installation, pictures: Pictures, stopping: Callable[[], bool]) -> api.Rest:
    database, settings = installation.database, installation.settings
    return api.Rest(
        archive=installation.archive,
        changes=SqlChangeFeed(database),
        management=SqlStudyManagement(database, timedelta(days=settings.retention_days)),
        tasks=SqlTasks(database, installation.blobs.missing),
        jobs=SqlJobs(database),
        metadata=metadata(installation),
        pictures=pictures,
        signer=Signer(secret_key(settings), partial(_still_here, installation.accounts, settings.open)),
        web_root=dicomweb.ROOT,
        stopping=stopping,
        audience=Audience(settings.max_event_streams, settings.max_connections // 2),
    )


def web(installation: Installation, pictures: Pictures) -> dicomweb.Web:
    archive = installation.archive
    settings = installation.settings
    search = search_settings(settings)
    return dicomweb.Web(archive, transcoder(installation), metadata(installation), pictures, search)


def search_settings(settings: Settings) -> SearchSettings:
    return SearchSettings(settings.max_qido_answers, no_content=settings.qido_empty == "204")


def sign_in(installation: Installation) -> SignIn:
    lasts = timedelta(seconds=installation.settings.session_lifetime)
    return SignIn(installation.accounts, installation.archive.audit, lasts)
