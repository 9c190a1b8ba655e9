"""What the path of a request names: a study or an image, by its UID."""

from __future__ import annotations

from starlette.requests import Request

from pacs.actor import Actor
from pacs.archive import Archive
from pacs.attributes import BY_KEYWORD, Level
from pacs.errors import NotFound
from pacs.http.resource import actor
from pacs.ingest import is_uid
from pacs.model import StoredInstance
from pacs.search.query import Condition, OneOf, Query


def uid_in_path(request: Request, name: str) -> str:
    """`NotFound` for text that cannot be one."""
    uid = str(request.path_params[name])
    if not is_uid(uid):
        raise NotFound
    return uid


def equals(keyword: str, uid: str) -> Condition:
    return Condition(BY_KEYWORD[keyword], OneOf((uid,)))


def image_in_path(request: Request, archive: Archive, who: Actor | None = None) -> StoredInstance:
    """The image `sop`, without its frames; on behalf of the caller unless of somebody else."""
    named = Query(Level.IMAGE, (equals("SOPInstanceUID", uid_in_path(request, "sop")),), limit=1)
    for found in archive.locate(who or actor(request), named):
        return found
    raise NotFound


def image_with_frames(request: Request, archive: Archive) -> StoredInstance:
    uids = image_in_path(request, archive).identity
    study, series, sop = uids.study_instance_uid, uids.series_instance_uid, uids.sop_instance_uid
    return next(archive.retrieve(actor(request), study, series, sop))
