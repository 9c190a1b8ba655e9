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


def image_pixel(header: Header) -> ImagePixel:
    """`InvalidDataSet` when the data set does not say how its pixels are laid out."""
    allocated = header.integer("BitsAllocated", 0)
    image = ImagePixel(
        rows=header.integer("Rows", 0),
        columns=header.integer("Columns", 0),
        bits_allocated=allocated,
        bits_stored=header.integer("BitsStored", allocated),
        samples_per_pixel=header.integer("SamplesPerPixel", 1),
        pixel_representation=header.integer("PixelRepresentation", 0),
        planar_configuration=header.integer("PlanarConfiguration", 0),
        photometric_interpretation=header.trimmed("PhotometricInterpretation"),
    )
    if image.frame_bits == 0:
        raise InvalidDataSet("Rows, Columns, Samples per Pixel or Bits Allocated is missing or zero")
    return image
