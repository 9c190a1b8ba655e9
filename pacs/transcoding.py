"""A stored instance's data set in another transfer syntax than it was received in.

The stored bytes are verified first and decoded pixels are spooled: damage is an error before the
first piece, never half an object.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pacs.dicom.convert import Decode, convert
from pacs.dicom.encoding import UNCOMPRESSED
from pacs.dicom.image import ImagePixel
from pacs.dicom.limits import DEFAULT, Limits
from pacs.dicom.scratch import Scratch
from pacs.errors import NotConvertible
from pacs.model import StoredInstance
from pacs.ports import BlobReader

Encode = Callable[[str, ImagePixel, bytes], bytes]
"""Transfer syntax, attributes and one uncompressed frame → the compressed frame."""


def _nothing(transfer_syntax: str, image: ImagePixel, frame: bytes) -> bytes:
    raise NotConvertible("no encoder is configured")


@dataclass(frozen=True, slots=True)
class Codecs:
    """The compressed transfer syntaxes that can be decoded and encoded, and the functions that do it."""

    decodable: frozenset[str]
    decode: Decode
    encodable: frozenset[str] = frozenset()
    encode: Encode = _nothing


@dataclass(frozen=True, slots=True)
class Transcoder:
    """`limits`: those that objects were received under."""

    codecs: Codecs
    limits: Limits = DEFAULT

    def data_set(self, instance: StoredInstance, reader: BlobReader, target: str) -> Iterator[bytes]:
        """`target`: one of `UNCOMPRESSED`. `NotConvertible` is raised before the first piece."""
        deque(reader.verified(), maxlen=0)
        pieces = convert(instance.header(reader, self.limits), target, self.codecs.decode)
        return pieces if instance.transfer_syntax in UNCOMPRESSED else spooled(pieces, self.limits)


def spooled(pieces: Iterator[bytes], limits: Limits = DEFAULT) -> Iterator[bytes]:
    """The same pieces, all of them made before the first is yielded."""
    with Scratch(limits) as scratch:
        for piece in pieces:
            scratch.write(piece)
        yield from scratch.pieces()
