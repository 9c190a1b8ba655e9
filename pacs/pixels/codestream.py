"""Pixel attributes read from the header of an image file or codestream, to complete a data set.

Only the beginning is read; nothing is decoded. JPEG and JPEG-LS: ITU-T T.81 Annex B, T.87;
JPEG 2000: ITU-T T.800 Annex A and, for the box around it, Annex I.
"""

from __future__ import annotations

from dataclasses import dataclass

from pacs.dicom.image import ImagePixel
from pacs.errors import InvalidDataSet
from pacs.pixels.jpeg import segments

HEAD = 1 << 20
"""Leading bytes that must contain the headers; profiles and thumbnails may precede them."""

_JPEG, _CODESTREAM = b"\xff\xd8", b"\xff\x4f\xff\x51"
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"
_SYNTAX_OF_FRAME = {
    0xC0: "1.2.840.10008.1.2.4.50",
    0xC1: "1.2.840.10008.1.2.4.51",
    0xC3: "1.2.840.10008.1.2.4.57",
    0xF7: "1.2.840.10008.1.2.4.81",
}
_LOSSLESS_FIRST_ORDER, _JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80"
_JPEG_2000 = {True: "1.2.840.10008.1.2.4.90", False: "1.2.840.10008.1.2.4.91"}
_HTJ2K = {True: "1.2.840.10008.1.2.4.201", False: "1.2.840.10008.1.2.4.203"}
_SOS, _APP14 = 0xDA, 0xEE
_CAP, _COD = 0xFF50, 0xFF52


@dataclass(frozen=True, slots=True)
class Codestream:
    """`offset`: where the codestream begins in its file. `length`: None if it reaches to the end."""

    transfer_syntax: str
    image: ImagePixel
    lossy: bool
    offset: int = 0
    length: int | None = None


def read_codestream(head: bytes) -> Codestream:
    """`InvalidDataSet` when it is malformed or of a format that DICOM does not encapsulate."""
    try:
        if head.startswith(_JPEG):
            return _jpeg(head)
        offset, length = _boxed(head) if head.startswith(_JP2) else (0, None)
        if head.startswith(_CODESTREAM, offset):
            return _jpeg_2000(head, offset, length)
    except (IndexError, ValueError) as error:
        raise InvalidDataSet("the image's header is damaged") from error
    raise InvalidDataSet("the image is not of a format that DICOM encapsulates")


def _jpeg(head: bytes) -> Codestream:
    frame = scan = adobe = b""
    kind = 0
    for marker, start, end in segments(head):
        if marker in _SYNTAX_OF_FRAME:
            kind, frame = marker, head[start:end]
        elif marker == _APP14 and head.startswith(b"Adobe", start):
            adobe = head[start:end]
        elif marker == _SOS:
            scan = head[start:end]
    if not frame or not scan:
        raise InvalidDataSet("the JPEG is of a kind that DICOM does not have")
    syntax, lossy = _jpeg_syntax(kind, scan)
    samples = frame[5]
    image = _image(
        (int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])),
        samples,
        frame[0],
        _jpeg_colour(frame, adobe, lossy) if samples == 3 else "MONOCHROME2",
    )
    return Codestream(syntax, image, lossy)


def _jpeg_syntax(kind: int, scan: bytes) -> tuple[str, bool]:
    """The transfer syntax, and whether it is lossy, from frame header and parameters of the first scan."""
    first = scan[-3]  # the predictor of lossless JPEG, NEAR of JPEG-LS
    if kind == 0xC3:
        return (_LOSSLESS_FIRST_ORDER if first == 1 else _SYNTAX_OF_FRAME[kind]), False
    if kind == 0xF7 and first == 0:
        return _JPEG_LS_LOSSLESS, False
    return _SYNTAX_OF_FRAME[kind], True


def _jpeg_colour(frame: bytes, adobe: bytes, lossy: bool) -> str:
    if frame[6::3][:3] in (b"RGB", b"rgb") or adobe[11:12] == b"\0" or not lossy:
        return "RGB"
    sampling = frame[7::3][:3]
    return "YBR_FULL" if len(set(sampling)) == 1 else "YBR_FULL_422"


def _jpeg_2000(head: bytes, offset: int, length: int | None) -> Codestream:
    """SIZ, which stands first, and the coding style that follows somewhere in the main header."""
    base = offset + 4
    width, height, left, top = (int.from_bytes(head[base + at : base + at + 4]) for at in (4, 8, 12, 16))
    samples = int.from_bytes(head[base + 36 : base + 38])
    depth = head[base + 38]
    reversible, mixed, high_throughput = _coding_style(head, base)
    colour = {(True, True): "YBR_RCT", (False, True): "YBR_ICT"}.get((reversible, mixed), "RGB")
    image = _image(
        (height - top, width - left),
        samples,
        (depth & 0x7F) + 1,
        colour if samples == 3 else "MONOCHROME2",
        depth >> 7,
    )
    syntaxes = _HTJ2K if high_throughput else _JPEG_2000
    return Codestream(syntaxes[reversible], image, not reversible, offset, length)


def _coding_style(head: bytes, position: int) -> tuple[bool, bool, bool]:
    """Whether reversible, with a colour transform, high throughput. `position`: of SIZ's length field."""
    high_throughput = False
    position += int.from_bytes(head[position : position + 2])
    while (marker := int.from_bytes(head[position : position + 2])) != _COD:
        if marker >> 8 != 0xFF:
            raise ValueError("no coding style")
        high_throughput |= marker == _CAP
        position += 2 + max(2, int.from_bytes(head[position + 2 : position + 4]))
    return head[position + 13] == 1, head[position + 8] == 1, high_throughput


def _boxed(head: bytes) -> tuple[int, int | None]:
    """Offset and length of the content of the Contiguous Codestream box."""
    position = 0
    while position + 8 <= len(head):
        length, kind, begin = (
            int.from_bytes(head[position : position + 4]),
            head[position + 4 : position + 8],
            8,
        )
        if length == 1:
            length, begin = int.from_bytes(head[position + 8 : position + 16]), 16
        if kind == b"jp2c":
            return position + begin, length - begin if length else None
        if length < begin:
            break
        position += length
    raise ValueError("no codestream")


def _image(size: tuple[int, int], samples: int, stored: int, colour: str, signed: int = 0) -> ImagePixel:
    rows, columns = size
    if not (0 < rows < 1 << 16 and 0 < columns < 1 << 16 and samples in (1, 3) and 0 < stored <= 32):
        raise InvalidDataSet("DICOM does not have images of this size or depth")
    allocated = 8 if stored <= 8 else 16 if stored <= 16 else 32
    return ImagePixel(rows, columns, allocated, stored, samples, signed, 0, colour)
