"""The values exchanged between the edges, the archive and its storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pacs.actor import Actor
from pacs.dicom.reader import Header, Limits, read_header
from pacs.dicom.source import ReadAhead, Source

Values = Mapping[str, Any]
"""Keyword → value of attributes of `pacs.attributes.TABLE`: text as in the data set, decoded,
several values joined by a backslash; integers for computed counts; a sequence is its items in
the DICOM JSON Model. Absent and empty attributes are left out."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored bytes. `address`: `blake3:` and 64 hex digits of their hash, wherever they are stored.

    `size`: in bytes.
    """

    address: str
    size: int


@dataclass(frozen=True, slots=True)
class Identity:
    """The UIDs of an instance, all of them valid (PS3.5 §9)."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class Received:
    """One object, complete and durable as a blob, to be entered into the index.

    The blob is a PS3.10 file; its data set begins at `dataset_offset`. `dataset_digest` is of the data
    set alone, so that the same object is recognised under any file header.
    """

    blob: Blob
    dataset_offset: int
    dataset_digest: str
    transfer_syntax: str
    identity: Identity
    values: Values
    frames: bytes | None
    """`pacs.dicom.frames.FrameIndex.to_bytes()`; None without pixel data."""
    actor: Actor
    damaged: frozenset[str] = frozenset()
    """Addresses of existing versions whose bytes are damaged: this blob replaces them."""


class Outcome(Enum):
    """What storing an object has changed."""

    CREATED = "created"
    DUPLICATE = "duplicate"  # the same data set was stored before
    VERSION = "version"  # another data set under a known SOP Instance UID: stored, not current


VersionKey = tuple[int, int]
"""Identifies one version of one instance; never reused."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an object. `blob`: where its data set is now; `version`: the one that was written, None
    when nothing was."""

    outcome: Outcome
    identity: Identity
    blob: Blob
    version: VersionKey | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """The metadata of a version, ready to be sent (`pacs.prepared.prepare`)."""

    organization: int
    version: VersionKey
    metadata: bytes


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """The current version of one instance: its blob and its encoding."""

    identity: Identity
    transfer_syntax: str
    blob: Blob
    dataset_offset: int
    frames: bytes | None = None
    """As in `Received`; not set by `locate`."""

    def header(self, source: Source, limits: Limits) -> Header:
        """`source`: its blob, which must stay open as long as values of the header are read."""
        return read_header(ReadAhead(source), self.transfer_syntax, self.dataset_offset, limits)


@dataclass(frozen=True, slots=True)
class VersionList:
    """The current versions of a study's, a series' or one instance, in display order.

    `uids`: Series and SOP Instance UID of each. `fingerprint`: changes whenever an object is added, replaced
    or removed, so an entity tag can be made of it.
    """

    keys: Sequence[VersionKey]
    uids: Sequence[tuple[str, str]]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ApplicationEntity:
    """A registered DICOM peer: where it listens, and what it may do (`pacs.access.RIGHTS`).

    `host` and `port` None: it only calls. `tls`: it is called by TLS.
    """

    title: str
    organization: int
    host: str | None
    port: int | None
    rights: frozenset[str] = frozenset()
    tls: bool = False


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """Entries and bytes of a cache, its hits and misses."""

    entries: int = 0
    bytes: int = 0
    hits: int = 0
    misses: int = 0


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what to which resource, and how it ended. `details` holds identifiers and numbers only, never
    names or free text of a patient (law 7)."""

    actor: Actor
    action: str
    outcome: str
    resource: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
