"""The transfer syntaxes that the archive itself tells apart, each under one name (PS3.5 §10 and Annex A).

Those that need a codec are in `pacs.pixels.decode`.
"""

from __future__ import annotations

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
RLE = "1.2.840.10008.1.2.5"
GE_PRIVATE = "1.2.840.113619.5.2"
"""Implicit VR Little Endian, but with big-endian pixel data."""

IMPLICIT = frozenset({IMPLICIT_LITTLE, GE_PRIVATE})
DEFLATED = frozenset({DEFLATED_LITTLE, "1.2.840.10008.1.2.4.95"})
"""Deflated Explicit VR Little Endian, and JPIP Referenced Deflate."""
VIDEO = frozenset(
    f"1.2.840.10008.1.2.4.{n}{fragmentable}" for n in range(100, 109) for fragmentable in ("", ".1")
)
"""Those that hold all frames in one MPEG stream (PS3.5 §A.4.5 and following)."""
