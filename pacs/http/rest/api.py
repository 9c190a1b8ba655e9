"""The REST API: assembles the resources under `/api/v1`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.routing import BaseRoute

from pacs.archive import Archive
from pacs.http import docs, openapi
from pacs.http.pictures import Pictures
from pacs.http.rest import ROOT, changes, events
from pacs.http.rest.broadcast import Audience, Broadcast
from pacs.http.rest.deletions import Deletions
from pacs.http.rest.images import Images
from pacs.http.rest.jobs import JobResources
from pacs.http.rest.renditions import Renditions
from pacs.http.rest.signed_urls import Signer
from pacs.http.rest.studies import Studies
from pacs.http.rest.uploads import Uploads
from pacs.metadata import Metadata
from pacs.ports import ChangeFeed, Jobs, StudyManagement, Tasks


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Rest:
    """What the resources need. `web_root`: path of DICOMweb; `stopping`: whether the server is shutting
    down; `audience`: how many may listen to events."""

    archive: Archive
    changes: ChangeFeed
    management: StudyManagement
    tasks: Tasks
    jobs: Jobs
    metadata: Metadata
    pictures: Pictures
    signer: Signer
    web_root: str
    stopping: Callable[[], bool] = _never
    audience: Audience = field(default_factory=Audience)


def routes(rest: Rest) -> list[BaseRoute]:
    images = Images(rest.archive, rest.management, rest.metadata, rest.signer, ROOT, rest.web_root)
    return [
        *Studies(rest.archive, rest.management, ROOT).routes(),
        *Renditions(rest.pictures, ROOT).routes(),
        *images.routes(),
        *Deletions(rest.management, ROOT).routes(),
        *Uploads(rest.archive, rest.tasks, ROOT).routes(),
        *JobResources(rest.jobs, ROOT).routes(),
        *openapi.routes(),
        *docs.routes(),
        changes.route(f"{ROOT}/changes", rest.changes),
        events.route(f"{ROOT}/events", Broadcast(rest.changes, rest.stopping, rest.audience)),
    ]
