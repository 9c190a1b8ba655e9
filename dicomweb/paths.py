"""The UIDs in a resource's path (PS3.18 §10.1), validated before the archive is queried."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from pacs.errors import BadInput
from pacs.ingest import is_uid

STUDY = "/studies/{study}"
SERIES = f"{STUDY}/series/{{series}}"
INSTANCE = f"{SERIES}/instances/{{sop}}"
EACH_LEVEL = (STUDY, SERIES, INSTANCE)


@dataclass(frozen=True, slots=True)
class Path:
    """A study, a series of it, or an instance of that."""

    study: str
    series: str | None = None
    sop: str | None = None

    @property
    def level(self) -> str:
        return "IMAGE" if self.sop else "SERIES" if self.series else "STUDY"


def path_of(request: Request) -> Path:
    """`BadInput` for a malformed UID."""
    found = [request.path_params.get(name) for name in ("study", "series", "sop")]
    for uid in found:
        if uid is not None and not is_uid(uid):
            raise BadInput("the path holds a malformed UID")
    study, series, sop = found
    assert study is not None
    return Path(study, series, sop)
