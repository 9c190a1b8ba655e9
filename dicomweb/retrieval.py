"""Planning a retrieval: which instances are sent, in which transfer syntax, and how it is audited.

Negotiation is done for each instance, since each is stored in its own transfer syntax: as stored where
acceptable, else converted without loss (PS3.18 §8.7.3.4, §8.7.8.2). When the caller names no transfer
syntax, Explicit VR Little Endian is sent, or the stored one where conversion is impossible. Of several
instances, one whose pixel data prove damaged is sent as stored, and one whose bytes do is replaced by a note:
the answer has begun by then.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

from dicomweb import unreadable
from dicomweb.multipart import Part, PartHead
from dicomweb.zipped import Member
from pacs.actor import Actor
from pacs.archive import Archive
from pacs.dicom.choice import AsStored, Convert, Impossible, choose
from pacs.dicom.part10 import part10_prefix
from pacs.dicom.scratch import Scratch
from pacs.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from pacs.errors import Damaged, NotAcceptable, NotConvertible
from pacs.http.accept import AS_STORED, DICOM, MediaRange
from pacs.http.streaming import Pieces, resumed
from pacs.model import StoredInstance
from pacs.part10_file import Part10File, part10_file
from pacs.transcoding import Transcoder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Planned:
    """One instance and its transfer syntax. `fallback`: send it as stored should conversion fail."""

    file: Part10File
    choice: AsStored | Convert
    fallback: bool = False

    @property
    def instance(self) -> StoredInstance:
        return self.file.instance

    @property
    def size(self) -> int | None:
        """Bytes of the file, when that is known before it is made."""
        return None if isinstance(self.choice, Convert) else self.file.size


@dataclass(frozen=True, slots=True)
class Preference:
    """Transfer syntaxes of equal preference. `fallback`: as stored when none is possible."""

    syntaxes: frozenset[str]
    fallback: bool = False


DEFAULT = Preference(frozenset({EXPLICIT_LITTLE}), fallback=True)


def preferences(ranges: Iterable[MediaRange]) -> list[Preference]:
    """The transfer syntaxes that the ranges name, the most preferred first."""
    by_weight = defaultdict[float, set[str]](set)
    unnamed = set[float]()
    for each in ranges:
        if each.q and each.syntaxes:
            by_weight[each.q].update(each.syntaxes)
        elif each.q:
            by_weight[each.q].add(EXPLICIT_LITTLE)
            unnamed.add(each.q)
    return [Preference(frozenset(by_weight[q]), q in unnamed) for q in sorted(by_weight, reverse=True)]


@dataclass(frozen=True, slots=True)
class Plan:
    """`left_out`: number of instances that cannot be sent as requested; `reason`: the first one's."""

    instances: Sequence[Planned]
    left_out: int = 0
    reason: str = ""


def plan(found: Iterable[Part10File], preferred: Sequence[Preference], decodable: Collection[str]) -> Plan:
    """`NotAcceptable` when no instance can be sent as requested."""
    instances, reasons = list[Planned](), list[str]()
    for file in found:
        planned = _planned(file, preferred, decodable)
        if isinstance(planned, Impossible):
            reasons.append(planned.reason)
        else:
            instances.append(planned)
    if not instances:
        raise NotAcceptable(f"{reasons[0]}; available: as stored, transfer-syntax=*")
    if len(instances) > 1:  # one that proves damaged when it is decoded must not break off the others
        instances = [each if each.size is not None else replace(each, fallback=True) for each in instances]
    return Plan(instances, len(reasons), reasons[0] if reasons else "")


def _planned(
    file: Part10File, preferred: Sequence[Preference], decodable: Collection[str]
) -> Planned | Impossible:
    stored = file.instance.transfer_syntax
    refused = Impossible("no transfer syntax is acceptable")
    for preference in preferred:
        accepted = {stored} if AS_STORED in preference.syntaxes else preference.syntaxes
        choice = choose(stored, accepted, decodable)
        if not isinstance(choice, Impossible):
            return Planned(file, choice, preference.fallback)
        if preference.fallback:
            return Planned(file, AsStored(stored))
        refused = choice
    return refused


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One caller's retrieval. `head`: a HEAD request, which sends no data and so is not audited."""

    archive: Archive
    transcoder: Transcoder
    actor: Actor
    head: bool = False

    def opened(self, planned: Planned) -> tuple[str, Pieces]:
        """The transfer syntax and the bytes of one instance as a PS3.10 file.

        The first piece is made at once: a failure to convert it shows before anything is sent, and so does
        damage, unless the object is too large to be verified first.
        """
        instance, choice = planned.instance, planned.choice
        if isinstance(choice, Convert):
            pieces = self._converted(instance, choice.transfer_syntax)
            try:
                return choice.transfer_syntax, resumed(next(pieces), pieces)
            except NotConvertible:
                if not planned.fallback:
                    raise
        stored = planned.file.pieces(self.archive)
        return instance.transfer_syntax, resumed(next(stored), stored)

    def part(self, planned: Planned, progress: Progress) -> Part:
        """One instance for a multipart answer."""
        try:
            syntax, pieces = self.opened(planned)
        except Damaged as error:
            progress.damage(planned, error)
            head = PartHead(named(planned.choice.transfer_syntax), planned.size)
            return unreadable.replaced(head, unreadable.note(planned.instance))
        return PartHead(named(syntax), planned.size), pieces

    def files(self, found: Iterable[StoredInstance]) -> Iterator[Part10File]:
        """As files that any reader opens. Whole objects need no frames."""
        return (part10_file(self.archive, replace(each, frames=None)) for each in found)

    def _converted(self, instance: StoredInstance, target: str) -> Pieces:
        uids = instance.identity
        with self.archive.open(instance) as reader:
            data_set = self.transcoder.data_set(instance, reader, target)
            yield part10_prefix(uids.sop_class_uid, uids.sop_instance_uid, target) + next(data_set)
            yield from data_set

    def member(self, name: str, planned: Planned, progress: Progress) -> Iterator[Member]:
        """One instance for a ZIP, or a text in its place."""
        with ExitStack() as opened:
            try:
                member = self._member(opened, name, planned)
            except Damaged as error:
                progress.damage(planned, error)
                member = _note(name.removesuffix(".dcm") + ".txt", planned)
            yield member

    def _member(self, opened: ExitStack, name: str, planned: Planned) -> Member:
        """Read twice: for its checksum, then to be sent."""
        if not planned.file.header and isinstance(planned.choice, AsStored):
            reader = opened.enter_context(self.archive.open(planned.instance))
            return Member(name, reader.size, _checksum(reader.verified()), reader.chunks())
        scratch = opened.enter_context(Scratch(self.transcoder.limits))
        for piece in self.opened(planned)[1]:
            scratch.write(piece)
        return Member(name, scratch.size, _checksum(scratch.pieces()), scratch.pieces())

    def alone(self, planned: Planned, progress: Progress) -> tuple[str, Pieces]:
        """Like `opened`; audits the retrieval however it ends, even before its first piece."""
        try:
            syntax, pieces = self.opened(planned)
        except BaseException:
            self._record(progress)
            raise
        return syntax, self.recorded(progress.one(pieces), progress)

    def recorded(self, pieces: Pieces, progress: Progress) -> Pieces:
        """The same pieces; audits the retrieval however it ends."""
        try:
            yield from pieces
            progress.finished = True
        finally:
            self._record(progress)

    def known(self, progress: Progress) -> None:
        """Audits that the caller already has all of it."""
        progress.passed, progress.finished = progress.total, True
        self._record(progress)

    def _record(self, progress: Progress) -> None:
        if not self.head:
            self.archive.record(
                self.actor,
                "retrieve",
                "success" if progress.finished and not progress.damaged else "failure",
                progress.study,
                level=progress.level,
                form=progress.form,
                completed=progress.completed,
                remaining=progress.total - progress.completed,
            )


@dataclass(slots=True)
class Progress:
    """The progress of a retrieval. `form`: the media type of the answer."""

    study: str
    level: str
    form: str
    total: int
    passed: int = 0
    damaged: int = 0
    finished: bool = False

    @property
    def completed(self) -> int:
        return max(0, self.passed - self.damaged)

    def counted(self, planned: Iterable[T]) -> Iterator[T]:
        """The same items; each is counted when the next one is requested."""
        for each in planned:
            yield each
            self.passed += 1

    def damage(self, planned: Planned, error: Damaged) -> None:
        """One of the items is not what it should be; raises the error when none is."""
        self.damaged += 1
        unreadable.report(planned.instance, error)
        if self.damaged == self.total:
            raise error

    def one(self, pieces: Pieces) -> Pieces:
        """The same pieces, counted as one instance when all of them were sent."""
        yield from pieces
        self.passed += 1


def named(syntax: str) -> str:
    return f"{DICOM}; transfer-syntax={syntax}"


def _note(name: str, planned: Planned) -> Member:
    """As long as the file, if that is announced."""
    text = unreadable.note(planned.instance)
    size = len(text) if planned.size is None else planned.size
    return Member(name, size, _checksum(unreadable.filled(text, size)), unreadable.filled(text, size))


def _checksum(pieces: Iterable[bytes]) -> int:
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return crc
