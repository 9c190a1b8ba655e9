"""Pictures from cameras, scanners and programs, JPEG and PNG, as a frame of an image.

A JPEG is kept unchanged where DICOM has a transfer syntax for it and Exif does not rotate it; any other
picture is decoded.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageOps

from pacs.dicom.image import DecodedFrame, ImagePixel
from pacs.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from pacs.errors import InvalidDataSet, LimitExceeded
from pacs.pixels.codestream import HEAD, Codestream, read_codestream
from pacs.pixels.png import MAX_PIXELS, SIGNATURE, decode_png

MEDIA_TYPES = frozenset({"image/jpeg", "image/png"})
_JPEG = b"\xff\xd8\xff"
_ORIENTATION, _UPRIGHT = 0x0112, 1  # of Exif
_DAMAGED = OSError, ValueError, SyntaxError, Image.DecompressionBombError


@dataclass(frozen=True, slots=True)
class Photo:
    """`file`: as received. `data`: its one frame in `transfer_syntax`, which may be the file itself."""

    file: bytes
    media_type: str
    transfer_syntax: str
    image: ImagePixel
    data: bytes
    lossy: bool

    @property
    def is_kept(self) -> bool:
        return self.transfer_syntax != EXPLICIT_LITTLE


def is_picture(head: bytes) -> bool:
    """False for a DICOM file whose preamble imitates a picture (PS3.10 §7.1)."""
    return head.startswith((_JPEG, SIGNATURE)) and head[128:132] != b"DICM"


def read_picture(data: bytes) -> Photo:
    """`InvalidDataSet` when it is damaged, `LimitExceeded` when it has too many pixels."""
    if data.startswith(SIGNATURE):
        decoded = decode_png(data)
        return Photo(data, "image/png", EXPLICIT_LITTLE, decoded.image, decoded.data, lossy=False)
    try:
        found = None if _is_turned(data) else _kept(data[:HEAD])
        if found is not None:
            return Photo(data, "image/jpeg", found.transfer_syntax, found.image, data, found.lossy)
        decoded = _decoded(data)
    except _DAMAGED as error:
        raise InvalidDataSet("the JPEG is damaged") from error
    return Photo(data, "image/jpeg", EXPLICIT_LITTLE, decoded.image, decoded.data, lossy=True)


def _is_turned(data: bytes) -> bool:
    if b"Exif\0\0" not in data[:HEAD]:
        return False
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as opened:
        return bool(opened.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT)


def _kept(head: bytes) -> Codestream | None:
    """None for kinds of JPEG without a transfer syntax that is still in use, such as progressive ones."""
    try:
        return read_codestream(head)
    except InvalidDataSet:
        return None


def _decoded(data: bytes) -> DecodedFrame:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise LimitExceeded(f"the image has more than {MAX_PIXELS} pixels")
        turned = ImageOps.exif_transpose(opened)
        grey = turned.mode == "L"
        shown = turned if grey else turned.convert("RGB")
        colour = "MONOCHROME2" if grey else "RGB"
        image = ImagePixel(shown.height, shown.width, 8, 8, 1 if grey else 3, 0, 0, colour)
        return DecodedFrame(image, shown.tobytes())
