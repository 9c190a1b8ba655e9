"""Reading the headers of a JPEG codestream, and repairing a common encoder bug (ITU-T T.81 Annex B)."""

from __future__ import annotations

from collections.abc import Iterator

from pacs.dicom.image import ImagePixel

_SOI = b"\xff\xd8"
_SOS = 0xDA
_APP0, _APP14 = 0xE0, 0xEE
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_SEQUENTIAL_SCAN = b"\x00\x3f\x00"


def segments(codestream: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment's content, up to and including the first scan's header."""
    position = len(_SOI)
    while position + 4 <= len(codestream) and codestream[position] == 0xFF:
        marker = codestream[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        end = position + 2 + int.from_bytes(codestream[position + 2 : position + 4])
        yield marker, position + 4, end
        if marker == _SOS:
            return
        position = end


def frame_header(codestream: bytes) -> tuple[int, int, int, int]:
    """Precision, lines, samples a line and components; `ValueError` when there is no frame header."""
    for marker, start, end in segments(codestream):
        if marker in _FRAME_HEADERS and end - start >= 6:
            header = codestream[start:end]
            return header[0], int.from_bytes(header[1:3]), int.from_bytes(header[3:5]), header[5]
    raise ValueError("no frame header")


def colour_space(codestream: bytes, image: ImagePixel) -> str:
    """Photometric Interpretation of the samples when decoded without colour transform.

    The codestream takes precedence over the data set: component identifiers "RGB", the colour
    transform flag of Adobe's APP14, and JFIF, which has YCbCr only. Chroma is upsampled.
    """
    said = image.photometric_interpretation
    if image.samples_per_pixel != 3:
        return said
    sequential = ycc = False
    for marker, start, end in segments(codestream):
        content = codestream[start:end]
        if marker in _FRAME_HEADERS:
            sequential = marker in _SEQUENTIAL
            if content[6::3][:3] in (b"RGB", b"rgb"):
                return "RGB"
        elif marker == _APP0:
            ycc |= content.startswith(b"JFIF")
        elif marker == _APP14:
            ycc |= content[:5] == b"Adobe" and content[11:12] == b"\x01"
    return "YBR_FULL" if said.startswith("YBR") or (ycc and sequential) else said


def repaired(codestream: bytes) -> bytes:
    """With the only legal scan parameters of a sequential JPEG; some encoders leave zeros there."""
    sequential = False
    for marker, _, end in segments(codestream):
        sequential |= marker in _SEQUENTIAL
        if marker == _SOS and sequential and codestream[end - 3 : end] != _SEQUENTIAL_SCAN:
            return codestream[: end - 3] + _SEQUENTIAL_SCAN + codestream[end:]
    return codestream
