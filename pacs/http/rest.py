"""The REST API: every resource under `/api/v1` that is about images, studies and what happens to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.routing import BaseRoute

from pacs.archive import Archive
from pacs.http import changes, docs, events, openapi
from pacs.http.broadcast import Audience, Broadcast
from pacs.http.deletions import Deletions
from pacs.http.images import Images
from pacs.http.jobs import JobResources
from pacs.http.pictures import Pictures
from pacs.http.renditions import Renditions
from pacs.http.signed import Signer
from pacs.http.studies import Studies
from pacs.http.uploads import Uploads
from pacs.metadata import Metadata
from pacs.ports import ChangeFeed, Jobs, Keeping, Tasks

ROOT = "/api/v1"


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Rest:
    """What the resources work on. `web_root`: where DICOMweb is; `stopping`: whether the server is
    about to end; `audience`: how many may listen to events."""

    archive: Archive
    changes: ChangeFeed
    keeping: Keeping
    tasks: Tasks
    jobs: Jobs
    metadata: Metadata
    pictures: Pictures
    signer: Signer
    web_root: str
    stopping: Callable[[], bool] = _never
    audience: Audience = field(default_factory=Audience)


def routes(rest: Rest) -> list[BaseRoute]:
    images = Images(rest.archive, rest.keeping, rest.metadata, rest.signer, ROOT, rest.web_root)
    return [
        *Studies(rest.archive, rest.keeping, ROOT).routes(),
        *Renditions(rest.pictures, ROOT).routes(),
        *images.routes(),
        *Deletions(rest.keeping, ROOT).routes(),
        *Uploads(rest.archive.blobs, rest.tasks, ROOT).routes(),
        *JobResources(rest.jobs, ROOT).routes(),
        *openapi.routes(),
        *docs.routes(),
        changes.route(f"{ROOT}/changes", rest.changes),
        events.route(f"{ROOT}/events", Broadcast(rest.changes, rest.stopping, rest.audience)),
    ]
