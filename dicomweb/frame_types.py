"""The media types and transfer syntaxes that a frame can be sent in (PS3.18 §8.7.3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from pacs.dicom.transfer_syntaxes import EXPLICIT_LITTLE, RLE, VIDEO
from pacs.framing import NATIVE
from pacs.http.accept import OCTETS, MediaRange, Offer, choose
from pacs.transcoding import Codecs

_JPEG = "1.2.840.10008.1.2.4."


def _compressed() -> dict[str, str]:
    found = {RLE: "image/dicom-rle"}
    images: tuple[tuple[str, tuple[int, ...]], ...] = (
        ("image/jpeg", (50, 51, 53, 55, 57, 70)),
        ("image/jls", (80, 81)),
        ("image/jp2", (90, 91)),
        ("image/jpx", (92, 93)),
        ("image/jphc", (201, 202, 203)),
        ("image/jxl", (110, 111, 112)),
    )
    for media_type, numbers in images:
        found |= {f"{_JPEG}{number}": media_type for number in numbers}
    for syntax in VIDEO:
        mpeg2 = syntax.startswith((f"{_JPEG}100", f"{_JPEG}101"))
        found[syntax] = "video/mpeg" if mpeg2 else "video/mp4"
    return found


COMPRESSED = _compressed()
"""Transfer syntax → media type of a frame as it is stored."""


LOSSY = frozenset({f"{_JPEG}50"})
"""Lossy encodings, offered only to callers who name that transfer syntax."""


IN_PARTS, ALONE = (
    tuple(Offer(kind, multipart) for kind in dict.fromkeys((OCTETS, *COMPRESSED.values())))
    for multipart in (True, False)
)
"""All media types of frames, whatever they are stored in."""


def stored_offer(stored: str) -> Offer:
    """A frame in this syntax as it is, in parts."""
    return Offer(COMPRESSED.get(stored, OCTETS), True, stored, stored=True)


def offers(stored: str, single: bool, codecs: Codecs) -> list[Offer]:
    """The representations of a frame stored in this syntax, the default of PS3.18 §8.7.3.3 first.

    `single`: one frame was requested, which may be answered without multipart.
    """
    return [
        offer
        for multipart in ((True, False) if single else (True,))
        for offer in _offers(stored, multipart, codecs)
    ]


def _offers(stored: str, multipart: bool, codecs: Codecs) -> Iterator[Offer]:
    native = stored in NATIVE
    if native or stored in codecs.decodable:
        yield Offer(OCTETS, multipart, EXPLICIT_LITTLE, stored=native)
    if stored in COMPRESSED:
        yield Offer(COMPRESSED[stored], multipart, stored, stored=True)
    if not native:
        yield Offer(OCTETS, multipart, stored, stored=True, default=False)
    if native or stored in codecs.decodable:
        for syntax in sorted(codecs.encodable - {stored}):
            yield Offer(COMPRESSED[syntax], multipart, syntax, default=syntax not in LOSSY)


@lru_cache(maxsize=256)
def chosen(ranges: Sequence[MediaRange], stored: str, single: bool, codecs: Codecs) -> Offer:
    """`NotAcceptable`, whose message lists the offers. Cached: a viewer repeats the same request
    thousands of times.
    """
    return choose(ranges, offers(stored, single, codecs))
