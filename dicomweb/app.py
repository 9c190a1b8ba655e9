"""The DICOMweb face of the archive: all resources of PS3.18 §10 under one root."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.routing import BaseRoute, Mount

from pacs.archive import Archive

ROOT = "/dicom-web"


@dataclass(frozen=True, slots=True)
class Web:
    """What the resources work on."""

    archive: Archive


def routes(web: Web) -> list[BaseRoute]:
    return [Mount(ROOT, routes=[])]
