"""Completing the metadata of a store request from its bulk data (PS3.18 §10.5.2): how pixels are encoded.

Compressed images and video are encapsulated unchanged; PNG, for which DICOM has no transfer syntax, is
decoded. Attributes that the sender gave are kept, missing ones are filled in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb.store.bulk_parts import BulkPart
from pacs.dicom.from_json import PIXEL_DATA, Payload
from pacs.dicom.image import ImagePixel
from pacs.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, RLE
from pacs.errors import InvalidDataSet, LimitExceeded
from pacs.ingest import is_uid
from pacs.pixels.codestream import HEAD, read_codestream
from pacs.pixels.mp4 import Video, read_mp4
from pacs.pixels.png import decode_png, png_image

DataSet = dict[str, Any]

_DOCUMENT, _DOCUMENT_TYPE, _DOCUMENT_LENGTH = "00420011", "00420012", "00420015"
_NUMBER_OF_FRAMES, _FRAME_TIME, _LOSSY = "00280008", "00181063", "00282110"
MAX_DECODED = 256 << 20
"""Bytes of an instance's frames that were sent as PNG: a few bytes may become thousands."""
_IMPLIED = {"image/dicom-rle": RLE}
"""Media types that determine the transfer syntax."""


@dataclass(frozen=True, slots=True)
class Complete:
    """`frames`: to be encapsulated as Pixel Data; `pixels`: the value in place of its bulk data."""

    data_set: Mapping[str, Any]
    transfer_syntax: str = EXPLICIT_LITTLE
    frames: Sequence[Payload] | None = None
    pixels: Payload | None = None


def complete(data_set: Mapping[str, Any], bulk: Mapping[str, Sequence[BulkPart]]) -> Complete:
    """`bulk`: the parts by Content-Location; several with the same location are frames."""
    document = _parts(data_set, _DOCUMENT, bulk)
    if document:
        size = sum(part.size for part in document)
        data_set = _filled(
            data_set,
            {_DOCUMENT_TYPE: _value("LO", document[0].kind.name), _DOCUMENT_LENGTH: _value("UL", size)},
        )
    parts = _parts(data_set, PIXEL_DATA, bulk)
    if not parts:
        return Complete(data_set)
    kind = parts[0].kind
    named = kind.parameters.get("transfer-syntax", "") or _IMPLIED.get(kind.name, "")
    if named and not is_uid(named):
        raise InvalidDataSet("a part's transfer-syntax is not a UID")
    if kind.name == "image/png":
        return _decoded(data_set, parts)
    if kind.name.startswith("image/"):
        return _image(data_set, parts, named)
    if kind.name.startswith("video/"):
        return _video(data_set, parts, named)
    if named in ("", EXPLICIT_LITTLE, IMPLICIT_LITTLE):
        return Complete(data_set)
    return Complete(data_set, named, parts)


def _parts(
    data_set: Mapping[str, Any], tag: str, bulk: Mapping[str, Sequence[BulkPart]]
) -> Sequence[BulkPart]:
    attribute = data_set.get(tag)
    uri = attribute.get("BulkDataURI") if isinstance(attribute, Mapping) else None
    return bulk.get(uri, ()) if isinstance(uri, str) else ()


def _decoded(data_set: Mapping[str, Any], parts: Sequence[BulkPart]) -> Complete:
    """The decoder's own description is written, as the metadata may contradict it."""
    if any(part.size > MAX_DECODED for part in parts):
        raise LimitExceeded(f"a PNG has more than {MAX_DECODED} bytes")
    images = {png_image(part.read_at(0, part.size)) for part in parts}
    if len(images) > 1:
        raise InvalidDataSet("the frames differ in size or depth")
    pixels = _Decoded(parts, images.pop())
    if pixels.size > MAX_DECODED:
        raise LimitExceeded(f"frames in PNG come to more than {MAX_DECODED} bytes")
    return Complete({**data_set, **_image_attributes(pixels.image, len(parts))}, pixels=pixels)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A `Payload`: frames in PNG, decoded one at a time as they are written."""

    parts: Sequence[BulkPart]
    image: ImagePixel

    @property
    def size(self) -> int:
        image = self.image
        frame = image.rows * image.columns * image.samples_per_pixel * image.bits_allocated // 8
        return frame * len(self.parts)

    def chunks(self) -> Iterator[bytes]:
        return (decode_png(part.read_at(0, part.size)).data for part in self.parts)


def _image(data_set: Mapping[str, Any], parts: Sequence[BulkPart], named: str) -> Complete:
    """A codestream that is not recognised is what its sender declares: RLE has no header, for one."""
    try:
        found = [read_codestream(part.read_at(0, HEAD)) for part in parts]
    except InvalidDataSet:
        if not named:
            raise
        return Complete(data_set, named, parts)
    first = found[0]
    frames = [part.part(one.offset, one.length) for part, one in zip(parts, found, strict=True)]
    derived = _image_attributes(first.image, len(parts))
    if first.lossy:
        derived[_LOSSY] = _value("CS", "01")
    return Complete(_filled(data_set, derived), named or first.transfer_syntax, frames)


def _video(data_set: Mapping[str, Any], parts: Sequence[BulkPart], named: str) -> Complete:
    """One fragment holds the whole stream (PS3.5 §8.2.7)."""
    if len(parts) > 1:
        raise InvalidDataSet("a video must be one part")
    if parts[0].kind.name != "video/mp4":
        if not named:
            raise InvalidDataSet("the video's part needs a transfer-syntax parameter")
        return Complete(data_set, named, parts)
    video = read_mp4(parts[0])
    return Complete(_filled(data_set, _video_attributes(video)), named or video.transfer_syntax, parts)


def _video_attributes(video: Video) -> DataSet:
    image = ImagePixel(video.rows, video.columns, 8, 8, 3, 0, 0, "YBR_PARTIAL_420")
    derived = _image_attributes(image, video.frames)
    derived[_LOSSY] = _value("CS", "01")
    if video.frame_time:
        derived[_FRAME_TIME] = _value("DS", round(video.frame_time, 6))
    return derived


def _image_attributes(image: ImagePixel, frames: int) -> DataSet:
    attributes = {
        "00280002": _value("US", image.samples_per_pixel),
        "00280004": _value("CS", image.photometric_interpretation),
        "00280010": _value("US", image.rows),
        "00280011": _value("US", image.columns),
        "00280100": _value("US", image.bits_allocated),
        "00280101": _value("US", image.bits_stored),
        "00280102": _value("US", image.bits_stored - 1),
        "00280103": _value("US", image.pixel_representation),
    }
    if image.samples_per_pixel > 1:
        attributes["00280006"] = _value("US", image.planar_configuration)
    if frames > 1:
        attributes[_NUMBER_OF_FRAMES] = _value("IS", frames)
    return attributes


def _filled(data_set: Mapping[str, Any], derived: DataSet) -> DataSet:
    """The data set with derived attributes where it has no value of its own."""
    known = {
        tag
        for tag, attribute in data_set.items()
        if isinstance(attribute, Mapping) and attribute.get("Value")
    }
    return {**data_set, **{tag: value for tag, value in derived.items() if tag not in known}}


def _value(vr: str, value: str | float) -> DataSet:
    return {"vr": vr, "Value": [value]}
