"""The values that pass between the edges, the archive and its storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pacs.actor import Actor

Values = Mapping[str, Any]
"""Keyword → value of attributes of `pacs.attributes.TABLE`: text as in the data set, decoded,
several values joined by a backslash; integers for computed counts; a sequence is its items in
the DICOM JSON Model. Absent and empty attributes are left out."""


@dataclass(frozen=True, slots=True)
class Blob:
    """`address` is `blake3:` and 64 hex digits: what the bytes are, wherever they lie."""

    address: str
    size: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What an instance is called. All four are valid UIDs (PS3.5 §9)."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class Received:
    """One object, whole and durable as a blob, about to be entered into the index.

    The blob is a PS3.10 file; its data set begins at `dataset_offset`. `dataset_digest` names the
    data set alone, so that the same object is recognised whatever file header it came with.
    """

    blob: Blob
    dataset_offset: int
    dataset_digest: str
    transfer_syntax: str
    identity: Identity
    values: Values
    frames: bytes | None
    """`pacs.dicom.frames.FrameIndex.to_bytes()`, None when there are no pixels."""
    actor: Actor
    damaged: frozenset[str] = frozenset()
    """Addresses of known versions whose bytes are no longer what was stored: this blob takes their place."""


class Outcome(Enum):
    """What storing came to."""

    CREATED = "created"
    DUPLICATE = "duplicate"  # the same data set was already there
    VERSION = "version"  # other bytes under a known SOP Instance UID: kept, not current


VersionKey = tuple[int, int]
"""Names one version of one instance, whatever becomes of the instance."""


@dataclass(frozen=True, slots=True)
class Stored:
    """`version`: what was written; None when all of it was there before."""

    outcome: Outcome
    identity: Identity
    blob: Blob
    version: VersionKey | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is shown of a version, made ready (`pacs.prepared.prepared`)."""

    organization: int
    version: VersionKey
    metadata: bytes


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """Where the current version of one instance lies and how it is encoded."""

    identity: Identity
    transfer_syntax: str
    blob: Blob
    dataset_offset: int
    frames: bytes | None = None
    """As in `Received`; `locate` leaves it out."""


@dataclass(frozen=True, slots=True)
class HeldVersions:
    """Versions of instances in the order in which they are shown.

    `uids`: Series and SOP Instance UID of each. `state` is the same as long as these are the same
    objects with the same bytes.
    """

    keys: Sequence[VersionKey]
    uids: Sequence[tuple[str, str]]
    state: str


@dataclass(frozen=True, slots=True)
class ApplicationEntity:
    """A registered DICOM peer: where it listens and what it may do."""

    title: str
    organization: int
    host: str | None
    port: int | None
    rights: frozenset[str] = frozenset()
    tls: bool = False


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """`details` holds identifiers and numbers only, never names or free text of a patient."""

    actor: Actor
    action: str
    outcome: str
    resource: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
