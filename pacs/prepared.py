"""The DICOM JSON of an instance, prepared once, so that answering does not read the object.

The stored text is independent of the archive's public URL: a placeholder stands for the instance's URI.
The placeholder is a byte that JSON text never contains.
"""

from __future__ import annotations

import re

import orjson

from pacs.deflate import compress, decompress
from pacs.dicom.header import Element
from pacs.dicom.json import Path, json_text
from pacs.dicom.reader import Header
from pacs.errors import NotFound

FORMAT = 2
"""Increment it when the same object yields another text: stored texts of older formats are made anew."""

MOST_ELEMENTS, MOST_BYTES = 5000, 256 * 1024
"""Of a header that is prepared before its sender's next image is taken: some milliseconds."""

_URI = b"\0"
_TAG, _ITEM = re.compile("[0-9A-Fa-f]{8}"), re.compile("[0-9]{1,9}")
_LONGEST_PATH = 2 * 128 + 1


def prepare(header: Header) -> bytes:
    """The data set's DICOM JSON, compressed, with placeholders for BulkDataURIs (PS3.18 Annex F)."""
    return compress(json_text(header, _placeholder))


def is_short(header: Header) -> bool:
    """Whether to prepare it as soon as it is received; a very long header is prepared only on request."""
    elements, size = header.extent
    return elements <= MOST_ELEMENTS and size <= MOST_BYTES


def with_uri(prepared: bytes, uri: str) -> bytes:
    """The DICOM JSON as UTF-8 text; `uri`: the instance's, which takes the placeholder's place."""
    return decompress(prepared).replace(_URI, orjson.dumps(uri)[1:-1])


def _placeholder(path: Path, element: Element) -> bytes:
    return b'"%b/bulkdata/%b"' % (_URI, bulk_path(path).encode())


def bulk_path(path: Path) -> str:
    """Tags in hexadecimal and item numbers, separated by slashes."""
    return "/".join(f"{step:08X}" if n % 2 == 0 else str(step) for n, step in enumerate(path))


def parse_bulk_path(given: str) -> Path:
    """The inverse of `bulk_path`, in either case of letters; `NotFound` for any other text."""
    steps = given.split("/")
    if len(steps) % 2 == 0 or len(steps) > _LONGEST_PATH:
        raise NotFound
    return tuple(_step(step, _ITEM if n % 2 else _TAG, 10 if n % 2 else 16) for n, step in enumerate(steps))


def _step(step: str, pattern: re.Pattern[str], base: int) -> int:
    if not pattern.fullmatch(step):
        raise NotFound
    return int(step, base)
