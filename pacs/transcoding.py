"""A stored instance's data set in another transfer syntax than it came in, for whoever retrieves it.

The stored bytes are checked first, and what decoding makes is spooled: when the first piece comes,
all of them will, so damage becomes an error and not half an object.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pacs.dicom.convert import Decode, convert
from pacs.dicom.encoding import UNCOMPRESSED
from pacs.dicom.image import ImagePixel
from pacs.dicom.reader import DEFAULT, Limits, read_header
from pacs.dicom.scratch import Scratch
from pacs.dicom.source import ReadAhead
from pacs.errors import NotConvertible
from pacs.model import StoredInstance
from pacs.ports import BlobReader

Encode = Callable[[str, ImagePixel, bytes], bytes]
"""Transfer syntax, attributes and one uncompressed frame → the compressed frame."""


def _nothing(transfer_syntax: str, image: ImagePixel, frame: bytes) -> bytes:
    raise NotConvertible("nothing is compressed here")


@dataclass(frozen=True, slots=True)
class Codecs:
    """Which compressed transfer syntaxes are decoded and encoded here, and by what."""

    decodable: frozenset[str]
    decode: Decode
    encodable: frozenset[str] = frozenset()
    encode: Encode = _nothing


@dataclass(frozen=True, slots=True)
class Transcoder:
    """`limits`: of what was taken in, and is read again."""

    codecs: Codecs
    limits: Limits = DEFAULT

    def data_set(self, instance: StoredInstance, reader: BlobReader, target: str) -> Iterator[bytes]:
        """`target`: one of `UNCOMPRESSED`. `NotConvertible` before the first piece, or never."""
        deque(reader.verified(), maxlen=0)
        header = read_header(
            ReadAhead(reader), instance.transfer_syntax, instance.dataset_offset, self.limits
        )
        pieces = convert(header, target, self.codecs.decode)
        return pieces if instance.transfer_syntax in UNCOMPRESSED else spooled(pieces, self.limits)


def spooled(pieces: Iterator[bytes], limits: Limits = DEFAULT) -> Iterator[bytes]:
    """All pieces made before the first is handed out."""
    with Scratch(limits) as scratch:
        for piece in pieces:
            scratch.write(piece)
        yield from scratch.pieces()
