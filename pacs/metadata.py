"""The metadata of stored instances: prepared in advance where possible, else made on request and stored.

A reading is never stale: it names versions, which never change, and prepared metadata records its format.
Nor does it omit instances: one that cannot be read is represented by its UIDs alone, as unavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson
import structlog

from pacs.actor import Actor
from pacs.archive import Archive
from pacs.deflate import compress
from pacs.errors import NotFound, PacsError, Unavailable
from pacs.model import Identity, StoredInstance, VersionKey, VersionList
from pacs.ports import Versions
from pacs.prepared import prepare, with_uri

log = structlog.get_logger(__name__)

PAGE = 1024
"""Instances whose prepared metadata is read by one statement."""
MADE_AT_ONCE = 64
"""Instances whose metadata is made before any of it is returned, which bounds memory."""
THREADS = 8
"""Threads that wait for a remote store concurrently; their own work takes a fraction of a millisecond."""

Uri = Callable[[str, str], str]
"""From Series and SOP Instance UID to the instance's URI for the caller."""


@dataclass(frozen=True)
class Metadata:
    archive: Archive
    versions: Versions

    def current(self, actor: Actor, study: str, series: str | None, sop: str | None) -> VersionList:
        """`NotFound` when there is no such study, series or instance."""
        found = self.versions.current(actor.organization, study, series, sop)
        if found is None:
            raise NotFound
        return found

    def read(self, actor: Actor, current: VersionList, uri: Uri) -> MetadataReading:
        """A single instance that cannot be read is an error (`Damaged` or similar); one of several is
        represented by its UIDs."""
        return MetadataReading(self, actor, current, uri)

    def renew(self, actor: Actor, identity: Identity) -> None:
        """Make the metadata anew from the object; nothing happens when it has been deleted since."""
        current = self.versions.current(
            actor.organization,
            identity.study_instance_uid,
            identity.series_instance_uid,
            identity.sop_instance_uid,
        )
        for key, instance in self.versions.instances(actor.organization, current.keys) if current else ():
            self._keep(actor, {key: self._make(instance)})

    def completed(
        self, actor: Actor, keys: Sequence[VersionKey], current: VersionList
    ) -> Mapping[VersionKey, bytes]:
        """The metadata of instances without prepared one; deleted instances are left out."""
        missing = self.versions.instances(actor.organization, keys)
        found = self._made([instance for _, instance in missing], alone=len(current.keys) == 1)
        made = {key: each for (key, _), each in zip(missing, found, strict=True) if each is not None}
        self._keep(actor, made)
        return {key: made.get(key) or unavailable(instance.identity) for key, instance in missing}

    def _made(self, instances: Sequence[StoredInstance], alone: bool) -> list[bytes | None]:
        if alone:
            return [self._make(instance) for instance in instances]
        if len(instances) <= 1:
            return [self._attempt(instance) for instance in instances]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="metadata") as pool:
            return list(pool.map(self._attempt, instances))

    def _attempt(self, instance: StoredInstance) -> bytes | None:
        try:
            return self._make(instance)
        except Unavailable:
            raise
        except Exception as error:  # one damaged instance must not hide the others
            uid, unexpected = instance.identity.sop_instance_uid, not isinstance(error, PacsError)
            reason = type(error).__name__
            log.error("metadata cannot be read", sop_instance_uid=uid, reason=reason, exc_info=unexpected)
            return None

    def _make(self, instance: StoredInstance) -> bytes:
        """Reads the elements before and after the pixel data, never the pixel data itself."""
        with self.archive.open(instance) as reader:
            return prepare(instance.header(reader, self.archive.limits))

    def _keep(self, actor: Actor, made: Mapping[VersionKey, bytes]) -> None:
        try:
            if made:
                self.versions.keep(actor.organization, made)
        except PacsError as error:  # it can be returned all the same
            log.warning("metadata not kept", reason=type(error).__name__)


@dataclass
class MetadataReading:
    """The DICOM JSON of each instance, as UTF-8 text, in constant memory. Instances that are deleted while
    they are read are left out."""

    metadata: Metadata
    actor: Actor
    current: VersionList
    uri: Uri
    was_prepared: bool = True
    """Whether, so far, everything was prepared and nothing was deleted."""

    def __iter__(self) -> Iterator[bytes]:
        keys, uids = self.current.keys, self.current.uids
        for page in _slices(0, len(keys), PAGE):
            kept = self.metadata.versions.prepared(self.actor.organization, keys[page])
            for part in _slices(page.start, page.stop, MADE_AT_ONCE):
                made = self._made([key for key in keys[part] if key not in kept])
                for key, series_and_sop in zip(keys[part], uids[part], strict=True):
                    found = (kept[key] or self._alone(key)) if key in kept else made.get(key)
                    if found is not None:
                        yield with_uri(found, self.uri(*series_and_sop))

    def _alone(self, key: VersionKey) -> bytes | None:
        """One that is too long to be read together with others."""
        found = self.metadata.versions.prepared(self.actor.organization, [key]).get(key)
        self.was_prepared = self.was_prepared and found is not None
        return found

    def _made(self, missing: Sequence[VersionKey]) -> Mapping[VersionKey, bytes]:
        if not missing:
            return {}
        self.was_prepared = False
        return self.metadata.completed(self.actor, missing, self.current)


def _slices(start: int, stop: int, most: int) -> Iterator[slice]:
    for first in range(start, stop, most):
        yield slice(first, min(first + most, stop))


def unavailable(identity: Identity) -> bytes:
    """Metadata in the form of `prepare` for an object that cannot be read: the UIDs that the index has, and
    Instance Availability (PS3.3 §C.4.23.1.1)."""
    return compress(
        orjson.dumps(
            {
                "00080016": {"vr": "UI", "Value": [identity.sop_class_uid]},
                "00080018": {"vr": "UI", "Value": [identity.sop_instance_uid]},
                "00080056": {"vr": "CS", "Value": ["UNAVAILABLE"]},
                "0020000D": {"vr": "UI", "Value": [identity.study_instance_uid]},
                "0020000E": {"vr": "UI", "Value": [identity.series_instance_uid]},
            }
        )
    )
