"""Content negotiation (PS3.18 §8.7.5 to §8.7.8, RFC 9110 §12.5.1).

Pure functions: `Accept` headers and `accept` parameters become a list of ranges, from which `choose`
selects among the server's offers. Clients differ in quoting, spacing and spelling, so parsing is
lenient; only a header without any readable range is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.requests import Request

from pacs.errors import BadInput, NotAcceptable

MULTIPART = "multipart/related"
DICOM = "application/dicom"
OCTETS = "application/octet-stream"
ZIP = "application/zip"

AS_STORED = "*"
"""The `transfer-syntax` value that asks for the stored one, whichever that is."""

MAX_RANGES = 100
_ALIASES = {
    "image/dicom+jpeg": "image/jpeg",
    "image/dicom+jls": "image/jls",
    "image/dicom+jpeg-ls": "image/jls",
    "image/x-jls": "image/jls",
    "image/dicom+jp2": "image/jp2",
    "image/dicom+jpeg-jpx": "image/jpx",
    "image/dicom+jpx": "image/jpx",
    "image/dicom+rle": "image/dicom-rle",
    "image/x-dicom-rle": "image/dicom-rle",
    "video/mpeg2": "video/mpeg",
    "application/x-zip-compressed": ZIP,
}
"""Media type names of earlier editions of PS3.18, and common variants."""

_RANGE = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+"?)+')
_PARAMETER = re.compile(r'(?:[^";]|"(?:[^"\\]|\\.)*+"?)+')
_TYPE = re.compile(r"(?:\*|[a-z0-9!#$&^_.+-]{1,127})/(?:\*|[a-z0-9!#$&^_.+-]{1,127})")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One media range that the caller accepts. `media_type` is that of the parts when `multipart`.

    `multipart` is None for `*/*`, which accepts both. `syntaxes`: empty when none was named.
    """

    media_type: str
    multipart: bool | None = False
    syntaxes: tuple[str, ...] = ()
    q: float = 1.0

    @property
    def specificity(self) -> int:
        named = 0 if self.media_type == "*/*" else 2 if self.media_type.endswith("/*") else 4
        return named + (self.multipart is not None) + 8 * bool(self.syntaxes)


ANYTHING = MediaRange("*/*", None)


@dataclass(frozen=True, slots=True)
class Offer:
    """One representation that the server can send. `syntax`: its transfer syntax, if it has one.

    `stored`: `syntax` is that of the stored object. `default`: the one to send when the caller
    names no transfer syntax (PS3.18 §8.7.3).
    """

    media_type: str
    multipart: bool = False
    syntax: str = ""
    stored: bool = False
    default: bool = True

    def __str__(self) -> str:
        name = f'{MULTIPART}; type="{self.media_type}"' if self.multipart else self.media_type
        return f"{name}; transfer-syntax={self.syntax}" if self.syntax else name


def acceptable(request: Request) -> list[MediaRange]:
    """The ranges of the request's `accept` parameters if it has any, else of its headers."""
    if request.scope["query_string"]:
        given = [each for each in request.query_params.getlist("accept") if each.strip()]
        if given:
            return of_query(given)
    return parse(request.headers.getlist("accept"))


def of_query(given: Iterable[str]) -> list[MediaRange]:
    """`parse` for query parameters, in which an unescaped plus sign arrives as a space."""
    return parse(re.sub(r"(?<=\w) (?=\w)", "+", each) for each in given)


def parse(fields: Iterable[str]) -> list[MediaRange]:
    """In the caller's order; an empty header accepts anything. `BadInput` when no range is readable."""
    return list(_parsed(tuple(fields)))


@lru_cache(maxsize=64)
def _parsed(fields: tuple[str, ...]) -> tuple[MediaRange, ...]:
    """Cached, as a viewer repeats the same header for every frame."""
    texts = [text for field in fields for text in _RANGE.findall(field) if text.strip()]
    if not texts:
        return (ANYTHING,)
    if len(texts) > MAX_RANGES:
        raise BadInput(f"Accept names more than {MAX_RANGES} media types")
    ranges = tuple(found for text in texts if (found := _media_range(text)))
    if not ranges:
        raise BadInput("Accept has no readable media type")
    return ranges


def _media_range(text: str) -> MediaRange | None:
    name, _, rest = text.partition(";")
    name = _range(name.strip().lower())
    if not _TYPE.fullmatch(name):
        return None
    kind, syntaxes, q = "*/*", list[str](), 1.0
    for parameter in _PARAMETER.findall(rest):
        key, _, value = parameter.partition("=")
        key, value = key.strip().lower(), _unquoted(value.strip())
        if key == "type":
            kind = _range(value.lower())
        elif key == "transfer-syntax":
            syntaxes += [each.strip() for each in value.split(",") if each.strip()]
        elif key == "q":
            q = _quality(value)
    if name in (MULTIPART, "multipart/*"):
        return MediaRange(_ALIASES.get(kind, kind), True, tuple(syntaxes), q)
    multipart = None if name == "*/*" else False
    return MediaRange(_ALIASES.get(name, name), multipart, tuple(syntaxes), q)


def _range(media_type: str) -> str:
    """As some clients write it: Java's `*` for everything, dicomweb-client's `image/` for `image/*`."""
    if media_type == "*":
        return "*/*"
    return f"{media_type}*" if media_type.endswith("/") else media_type


def _unquoted(value: str) -> str:
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:].removesuffix('"'))
    return value.strip()


def _quality(text: str) -> float:
    try:
        q = float(text)
    except ValueError:
        return 1.0
    return min(max(q, 0.0), 1.0) if q == q else 1.0


def takes(wanted: MediaRange, offer: Offer) -> bool:
    """Whether the range covers the offer, regardless of weight."""
    if wanted.multipart is not None and wanted.multipart != offer.multipart:
        return False
    return _same_type(wanted.media_type, offer.media_type) and _same_syntax(wanted.syntaxes, offer)


def _same_type(wanted: str, offered: str) -> bool:
    if wanted == "*/*" or wanted == offered:
        return True
    return wanted.endswith("/*") and offered.startswith(wanted[:-1])


def _same_syntax(wanted: Sequence[str], offer: Offer) -> bool:
    if not offer.syntax:
        return True
    if not wanted:
        return offer.default
    return offer.syntax in wanted or (AS_STORED in wanted and offer.stored)


def choose(ranges: Sequence[MediaRange], offers: Sequence[Offer]) -> Offer:
    """The offer of highest weight; among equals the most specifically named, then the server's
    first. `NotAcceptable`, whose message lists the offers, when the caller accepts none.
    """
    return _chosen(tuple(ranges), tuple(offers))


@lru_cache(maxsize=256)
def _chosen(ranges: tuple[MediaRange, ...], offers: tuple[Offer, ...]) -> Offer:
    best, rank = None, (0.0, -1)
    for offer in offers:
        found = _rank(ranges, offer)
        if found[0] > 0 and found > rank:
            best, rank = offer, found
    if best is None:
        raise NotAcceptable("available: " + ", ".join(dict.fromkeys(map(str, offers))))
    return best


def _rank(ranges: Sequence[MediaRange], offer: Offer) -> tuple[float, int]:
    """The weight that the most specific matching range gives the offer (RFC 9110 §12.5.1), and how
    specific that range is."""
    closest = max((r for r in ranges if takes(r, offer)), key=lambda r: (r.specificity, r.q), default=None)
    return (closest.q, closest.specificity) if closest else (0.0, -1)


def takes_gzip(request: Request) -> bool:
    """Whether `Accept-Encoding` asks for gzip (RFC 9110 §12.5.3)."""
    weights = {}
    for coding in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.partition(";")
        weights[name.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return weights.get("gzip", weights.get("*", False))
