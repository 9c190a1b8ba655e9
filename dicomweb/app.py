"""The DICOMweb service: all resources of PS3.18 §10 under one root."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from starlette.routing import BaseRoute

from dicomweb import (
    all_bulkdata,
    bulkdata,
    capabilities,
    frames,
    metadata,
    pixel_data,
    rendered,
    retrieve,
    wado_uri,
)
from dicomweb.described import described
from dicomweb.search import qido
from dicomweb.search.qido import SearchSettings
from dicomweb.store import stow
from dicomweb.warning import reason
from pacs.archive import Archive
from pacs.http.pictures import Pictures
from pacs.http.resource import Service
from pacs.metadata import Metadata
from pacs.transcoding import Transcoder

ROOT = "/dicom-web"


@dataclass(frozen=True, slots=True)
class Web:
    """What the resources need."""

    archive: Archive
    transcoder: Transcoder
    metadata: Metadata
    pictures: Pictures
    search: SearchSettings = field(default_factory=SearchSettings)


def routes(web: Web) -> list[BaseRoute]:
    resources = [
        *frames.resources(web.archive, web.transcoder),  # first, as the most frequent requests
        *retrieve.resources(web.archive, web.transcoder, ROOT),
        *metadata.resources(web.metadata, ROOT),
        *rendered.resources(web.pictures, ROOT),
        *qido.resources(web.archive, web.search, ROOT),
        *bulkdata.resources(web.archive, web.transcoder, ROOT),
        *all_bulkdata.resources(web.archive, ROOT),
        *pixel_data.resources(web.archive, web.transcoder, ROOT),
        *stow.resources(web.archive, ROOT),
    ]
    everything = described(*resources, *capabilities.resources(resources, ROOT))
    return [
        Service(ROOT, everything, partial(reason, ROOT)),
        wado_uri.resource(web.pictures, web.transcoder),
    ]
