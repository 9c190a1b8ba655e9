"""Palette colour tables, also segmented and supplemental ones (PS3.3 §C.7.6.3.1.5, §C.7.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pacs.dicom.header import Header
from pacs.errors import NotConvertible
from pacs.pixels.lut import Descriptor, Lut, descriptor, entries
from pacs.pixels.picture import Octets
from pacs.pixels.samples import Values

_COLOURS = ("Red", "Green", "Blue")
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Palette:
    """`first`: the smallest value with a colour; in a supplemental palette, smaller ones are grey."""

    first: int
    tables: tuple[Callable[[Values], Octets], ...]

    def __call__(self, values: Values) -> Octets:
        return np.stack([table(values) for table in self.tables], axis=-1)


def palette(header: Header) -> Palette:
    """`NotConvertible` when one of the three tables is missing or broken."""
    described = [descriptor(header, f"{colour}PaletteColorLookupTableDescriptor") for colour in _COLOURS]
    if None in described:
        raise NotConvertible("the palette has no descriptor")
    luts = [Lut(d, _data(header, colour, d)) for colour, d in zip(_COLOURS, described, strict=True) if d]
    return Palette(luts[0].descriptor.first, tuple(_octets(table) for table in luts))


def is_supplemental(header: Header) -> bool:
    """Grey values with colours above them (PS3.3 §C.8.16.2.1.1.1)."""
    return header.trimmed("PixelPresentation") in ("COLOR", "MIXED") and (
        "RedPaletteColorLookupTableDescriptor" in header
    )


def _data(header: Header, colour: str, described: Descriptor) -> NDArray[np.uint16]:
    attribute = f"{colour}PaletteColorLookupTableData"
    if attribute in header:
        data = entries(header, attribute, described)
    else:
        data = _expanded(header, f"Segmented{attribute}", described)
    if not len(data):
        raise NotConvertible("the palette has no entries")
    return data


def _octets(table: Lut) -> Callable[[Values], Octets]:
    """Entries of 16 bits that never use the upper eight are bytes, whatever the descriptor says."""
    wide = table.descriptor.bits > 8 and int(table.data.max()) > 0xFF
    data = (table.data >> 8 if wide else table.data).astype(np.uint8)

    def colour(values: Values) -> Octets:
        place = np.nan_to_num(np.clip(values - table.descriptor.first, 0, len(data) - 1))
        result: Octets = data[place.astype(np.intp)]
        return result

    return colour


def _expanded(header: Header, attribute: str, described: Descriptor) -> NDArray[np.uint16]:
    """The table that the segments expand to, never longer than described (PS3.3 §C.7.9.2)."""
    words = entries(header, attribute, Descriptor(65536, 0, described.bits)).astype(int).tolist()
    wide = described.bits > 8
    values: list[int] = []
    try:
        for kind, length, start in _segments(words, wide):
            _extend(values, words, kind, length, start)
            if len(values) >= described.entries:
                break
    except IndexError as fault:
        raise NotConvertible("the segments of the palette are broken") from fault
    return np.array(values[: described.entries], np.uint16)


def _segments(words: list[int], wide: bool) -> Iterator[tuple[int, int, int]]:
    """(kind, length, place of the first value), indirect ones resolved."""
    place = 0
    while place + 1 < len(words):
        kind, length = words[place], words[place + 1]
        if kind != _INDIRECT:
            yield kind, length, place + 2
            place = _behind(kind, length, place)
            continue
        parts = words[place + 2 : place + (4 if wide else 6)]
        offset = sum(part << (16 if wide else 8) * i for i, part in enumerate(parts))
        target = offset // 2 if wide else offset
        for _ in range(length):
            yield words[target], words[target + 1], target + 2
            target = _behind(words[target], words[target + 1], target)
        place += 4 if wide else 6


def _behind(kind: int, length: int, place: int) -> int:
    if kind not in (_DISCRETE, _LINEAR):
        raise IndexError(kind)
    return place + 2 + (length if kind == _DISCRETE else 1)


def _extend(values: list[int], words: list[int], kind: int, length: int, start: int) -> None:
    if kind == _DISCRETE:
        values.extend(words[start : start + length])
    elif kind == _LINEAR:
        before, after = values[-1], words[start]
        values.extend(round(before + (after - before) * i / length) for i in range(1, length + 1))
    else:
        raise IndexError(kind)
