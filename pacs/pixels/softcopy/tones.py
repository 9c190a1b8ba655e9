"""From stored values to grey as a presentation state wants it (PS3.4 §N.2.1): Modality LUT, VOI LUT,
Presentation LUT, and the palette of a Pseudo-Color state (§N.2.3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame, ImagePixel
from pacs.dicom.transfer_syntaxes import IMPLICIT
from pacs.errors import NotConvertible
from pacs.pixels.grayscale import Stage, Voi, is_inverse, modality_lut, octets, scaled, voi_lut, windowed
from pacs.pixels.lut import Lut, descriptor, lut
from pacs.pixels.palette import palette
from pacs.pixels.parameters import Function, Window
from pacs.pixels.picture import Octets
from pacs.pixels.samples import Grey, Values, grey

_COLOURS = "RedPaletteColorLookupTableDescriptor"


def toned(state: Header, voi: Header | None, frame: DecodedFrame, image: Header) -> Octets:
    """`voi`: the item of the Softcopy VOI LUT Sequence that applies."""
    stored = grey(image, frame)
    modality, low, high = _modality(state, stored, frame.image)
    contrast = _contrast(voi, stored, low < 0) if voi is not None else _between(low, high)
    final = presentation_lut(state, frame.image)

    def brightness(values: Values) -> Values:
        return final(contrast(modality(values)))

    if _COLOURS in state:
        return _coloured(state, stored, brightness)
    return stored.mapped(lambda values: octets(brightness(values)))


def presentation_lut(state: Header, image: ImagePixel) -> Voi:
    """P-Values, from 0 to 1, of brightness (PS3.3 §C.11.4, §C.11.6)."""
    table = _table(state, "PresentationLUTSequence")
    if table is None:
        return (lambda values: 1 - values) if is_inverse(state, image) else (lambda values: values)
    p_values, first, last = scaled(table), table.descriptor.first, len(table.data) - 1
    return lambda values: p_values(np.floor(values * last + 0.5) + first)


def _modality(state: Header, stored: Grey, image: ImagePixel) -> tuple[Stage, float, float]:
    """The stage, and the least and the greatest value that it can yield."""
    if table := _table(state, "ModalityLUTSequence", bool(image.pixel_representation)):
        most = (1 << min(max(table.descriptor.bits, 8), 16)) - 1
        return lambda values: table(values).astype(np.float64), 0.0, float(most)
    rescale = modality_lut(state, 0)
    if stored.is_float:
        occurring = stored.occurring()
        ends = rescale(np.array([occurring.min(initial=0), occurring.max(initial=0)]))
    else:
        span = 1 << image.bits_stored
        least = -(span >> 1) if image.pixel_representation else 0
        ends = rescale(np.array([least, least + span - 1]))
    return rescale, float(ends.min()), float(ends.max())


def _contrast(voi: Header, stored: Grey, signed: bool) -> Voi:
    if table := _table(voi, "VOILUTSequence", signed):
        return scaled(table)
    wanted = voi_lut(voi, 0)
    if not isinstance(wanted, Window):
        raise NotConvertible("the presentation state has a VOI LUT that cannot be used")
    return windowed(wanted, stored.is_float)


def _between(low: float, high: float) -> Voi:
    """Without a VOI LUT, the grey levels span the whole range of possible values."""
    return windowed(Window((low + high) / 2, high - low, Function.LINEAR_EXACT))


def _table(holder: Header, sequence: str, signed: bool = False) -> Lut | None:
    """`signed`: whether its inputs are, which an implicit VR does not say (PS3.3 §C.11.1.1)."""
    item = holder.item(sequence, 0)
    if item is None:
        return None
    table = lut(item)
    if table is None:
        raise NotConvertible("the presentation state has a lookup table that cannot be used")
    described = table.descriptor
    if signed and described.first >= 1 << 15 and holder.transfer_syntax in IMPLICIT:
        return replace(table, descriptor=replace(described, first=described.first - (1 << 16)))
    return table


def _coloured(state: Header, stored: Grey, brightness: Voi) -> Octets:
    """The palette's entries are spread over the whole range of grey."""
    colours, described = palette(state), descriptor(state, _COLOURS)
    last = described.entries - 1 if described else 0
    table = colours(np.floor(brightness(stored.values) * last + 0.5) + colours.first)
    return table if stored.codes is None else table[stored.codes]
