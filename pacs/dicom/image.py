"""How the pixels of one frame are laid out (PS3.3 §C.7.6.3.1, PS3.5 §8)."""

from __future__ import annotations

from dataclasses import dataclass

from pacs.dicom.header import Header
from pacs.errors import InvalidDataSet


@dataclass(frozen=True, slots=True)
class ImagePixel:
    """The Image Pixel attributes that say what the bytes of Pixel Data mean."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    samples_per_pixel: int = 1
    pixel_representation: int = 0
    planar_configuration: int = 0
    photometric_interpretation: str = "MONOCHROME2"

    @property
    def frame_bits(self) -> int:
        """Bits of one uncompressed frame in which every pixel has all its samples."""
        return self.rows * self.columns * self.samples_per_pixel * self.bits_allocated

    @property
    def frame_size(self) -> int:
        """Bytes of one uncompressed frame, before any padding to an even length."""
        return (self.frame_bits + 7) // 8


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One uncompressed frame, little endian, and the attributes that describe it after decoding."""

    image: ImagePixel
    data: bytes


def number(header: Header, attribute: int | str, default: int) -> int:
    """The attribute's first value if it is an integer, else `default`."""
    values = header.values(attribute)
    return values[0] if values and isinstance(values[0], int) else default


def image_pixel(header: Header) -> ImagePixel:
    """`InvalidDataSet` when the data set does not say how its pixels are laid out."""
    allocated = number(header, "BitsAllocated", 0)
    image = ImagePixel(
        rows=number(header, "Rows", 0),
        columns=number(header, "Columns", 0),
        bits_allocated=allocated,
        bits_stored=number(header, "BitsStored", allocated),
        samples_per_pixel=number(header, "SamplesPerPixel", 1),
        pixel_representation=number(header, "PixelRepresentation", 0),
        planar_configuration=number(header, "PlanarConfiguration", 0),
        photometric_interpretation=(header.text("PhotometricInterpretation") or "").strip(),
    )
    if image.frame_bits == 0:
        raise InvalidDataSet("Rows, Columns, Samples per Pixel or Bits Allocated is missing or zero")
    return image
