"""Does once, before forking, what makes the first picture of a process slow: importing codecs, making tables.

The first picture takes several times as long as the next. A forked worker starts with everything in memory.
"""

from __future__ import annotations

from pydicom.uid import ExplicitVRLittleEndian

from pacs.dicom.dictionary import tag_of
from pacs.dicom.source import BytesSource
from pacs.dicom.writer import encode_dataset
from pacs.pixels.parameters import RenderParameters, Viewport
from pacs.pixels.tasks import Render, StoredPixels

_ENCODING = str(ExplicitVRLittleEndian)
_SIDE = 16
_IMAGE = {
    "SamplesPerPixel": ("US", 1),
    "PhotometricInterpretation": ("CS", "MONOCHROME2"),
    "Rows": ("US", _SIDE),
    "Columns": ("US", _SIDE),
    "BitsAllocated": ("US", 16),
    "BitsStored": ("US", 16),
    "HighBit": ("US", 15),
    "PixelRepresentation": ("US", 0),
    "PixelData": ("OW", bytes(range(256)) * 2),
}


def warm_up() -> None:
    """Render a small image as viewers ask for large ones."""
    elements = [(tag_of(keyword), vr, value) for keyword, (vr, value) in _IMAGE.items()]
    image = BytesSource(encode_dataset(elements, _ENCODING))
    pixels = StoredPixels(_ENCODING, 0, None)
    halved = RenderParameters(viewport=Viewport(_SIDE // 2, _SIDE // 2))
    for media_type in ("image/jpeg", "image/png", "image/webp"):
        Render(pixels, (0,), halved, media_type).run(image)
