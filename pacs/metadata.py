"""The metadata of stored instances: what was prepared, and what was not, made now and kept.

A reading is never stale: it names versions, which never change, and what is prepared of them carries
the format it was made in. It never misses one either: an instance that cannot be read any more is
shown by its UIDs alone, as unavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson
import structlog

from pacs.actor import Actor
from pacs.archive import Archive
from pacs.dicom.reader import read_header
from pacs.dicom.source import ReadAhead
from pacs.errors import NotFound, PacsError, Unavailable
from pacs.model import HeldVersion, HeldVersions, Identity, StoredInstance, VersionKey
from pacs.ports import Versions
from pacs.prepared import prepared, text

log = structlog.get_logger(__name__)

PAGE = 1024
PAGE_BYTES = 16 << 20
"""Of prepared text, compressed, that one reading of the database brings; at least one instance's."""
MADE_AT_ONCE = 64
THREADS = 8
"""Waiting for a remote store side by side; what they do themselves is a fraction of a millisecond."""

Uri = Callable[[Identity], str]
"""Where the caller finds an instance."""


@dataclass(frozen=True)
class Metadata:
    archive: Archive
    versions: Versions

    def held(self, actor: Actor, study: str, series: str | None, sop: str | None) -> HeldVersions:
        """`NotFound` when there is no such study, series or instance."""
        found = self.versions.held(actor.organization, study, series, sop)
        if found is None:
            raise NotFound
        return found

    def read(self, actor: Actor, held: HeldVersions, uri: Uri) -> Iterator[bytes]:
        """The DICOM JSON of each, in constant memory. Instances deleted meanwhile are left out.

        `Damaged` and the like when there is only one and it cannot be read.
        """
        alone = len(held.keys) == 1
        for keys in _pages(held):
            for each in self._prepared(actor, self.versions.read(actor.organization, keys)):
                identity, kept = each.instance.identity, each.metadata
                if kept is None and alone:
                    kept = self._make(each.instance)
                yield unavailable(identity) if kept is None else text(kept, uri(identity))

    def renew(self, actor: Actor, identity: Identity) -> None:
        """Made anew of the object itself; nothing happens when it was deleted meanwhile."""
        study, series, sop = (
            identity.study_instance_uid,
            identity.series_instance_uid,
            identity.sop_instance_uid,
        )
        held = self.versions.held(actor.organization, study, series, sop)
        for each in self.versions.read(actor.organization, held.keys if held else ()):
            self._keep(actor, {each.key: self._make(each.instance)})

    def _prepared(self, actor: Actor, page: Sequence[HeldVersion]) -> Iterator[HeldVersion]:
        """The same ones, with what could be made of those that had nothing."""
        if all(each.metadata is not None for each in page):
            yield from page
            return
        for start in range(0, len(page), MADE_AT_ONCE):
            some = page[start : start + MADE_AT_ONCE]
            made = self._made([each for each in some if each.metadata is None])
            self._keep(actor, made)
            for each in some:
                yield HeldVersion(each.key, each.instance, each.metadata or made.get(each.key))

    def _made(self, missing: Sequence[HeldVersion]) -> dict[VersionKey, bytes]:
        if len(missing) == 1:
            found = [self._attempt(missing[0].instance)]
        else:
            with ThreadPoolExecutor(THREADS, thread_name_prefix="metadata") as pool:
                found = list(pool.map(self._attempt, [each.instance for each in missing]))
        return {each.key: made for each, made in zip(missing, found, strict=True) if made is not None}

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
        """Reads the elements in front of the pixels and those behind, never the pixels."""
        with self.archive.open(instance) as reader:
            source, syntax = ReadAhead(reader), instance.transfer_syntax
            return prepared(read_header(source, syntax, instance.dataset_offset, self.archive.limits))

    def _keep(self, actor: Actor, made: Mapping[VersionKey, bytes]) -> None:
        try:
            if made:
                self.versions.keep(actor.organization, made)
        except PacsError as error:  # what was made can be shown all the same
            log.warning("metadata not kept", reason=type(error).__name__)


def _pages(held: HeldVersions) -> Iterator[Sequence[VersionKey]]:
    first = size = 0
    for position, more in enumerate(held.sizes):
        if position > first and (position - first == PAGE or size + more > PAGE_BYTES):
            yield held.keys[first:position]
            first, size = position, 0
        size += more
    yield held.keys[first:]


def unavailable(identity: Identity) -> bytes:
    """What the index alone knows of an instance, with Instance Availability (PS3.3 §C.4.23.1.1)."""
    return orjson.dumps(
        {
            "00080016": {"vr": "UI", "Value": [identity.sop_class_uid]},
            "00080018": {"vr": "UI", "Value": [identity.sop_instance_uid]},
            "00080056": {"vr": "CS", "Value": ["UNAVAILABLE"]},
            "0020000D": {"vr": "UI", "Value": [identity.study_instance_uid]},
            "0020000E": {"vr": "UI", "Value": [identity.series_instance_uid]},
        }
    )
