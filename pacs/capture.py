"""A JPEG or PNG file as a Secondary Capture (PS3.3 §A.8.1), stored and found like any other image.

Equal arguments give equal bytes, so an interrupted upload can be repeated without storing twice. The
original file is kept unchanged: as the only frame if DICOM has its encoding, else in a private element.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword

from pacs.bulk import BulkValue
from pacs.dicom.frames import Range
from pacs.dicom.from_json import InMemory, Payload, encode_json
from pacs.dicom.header import Header
from pacs.dicom.part10 import part10_prefix
from pacs.dicom.person_name import to_groups
from pacs.framing import frame_index_of
from pacs.model import StoredInstance, Values
from pacs.pixels.photo import MEDIA_TYPES, Photo
from pacs.search import moments

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

_CREATOR, _RESERVED = "LIGHTBOX PACS", 0x00090010
_MEDIA_TYPE, _LENGTH, _FILE = 0x00091001, 0x00091002, 0x00091003
"""Private elements: media type and length of the original file, and the file unless it is the frame."""

_PIXELS, _ORIGINAL = "pixels", "original"


@dataclass(frozen=True, slots=True)
class CaptureContext:
    """Where a picture belongs. `subject`: attributes of patient and study; `series`: of its series."""

    subject: Values
    series: Mapping[str, str]
    sop_instance_uid: str
    instance_number: int
    created_at: datetime


def as_capture(picture: Photo, context: CaptureContext) -> Iterator[bytes]:
    """A PS3.10 file in pieces."""
    values = {**_described(picture, context), **context.series, **context.subject}
    data_set = dict(_attribute(keyword, value) for keyword, value in values.items())
    data_set |= _private(picture)
    frames = [InMemory(picture.data)] if picture.is_kept else None
    bulk: dict[str, Payload] = {_PIXELS: InMemory(picture.data), _ORIGINAL: InMemory(picture.file)}
    data_set["7FE00010"] = {"vr": "OB" if picture.image.bits_allocated == 8 else "OW", "BulkDataURI": _PIXELS}
    yield part10_prefix(SECONDARY_CAPTURE, context.sop_instance_uid, picture.transfer_syntax)
    yield from encode_json(data_set, bulk.__getitem__, frames)


def _described(picture: Photo, context: CaptureContext) -> dict[str, Any]:
    image, at = picture.image, _local_time(context)
    found: dict[str, Any] = {
        "SOPClassUID": SECONDARY_CAPTURE,
        "SOPInstanceUID": context.sop_instance_uid,
        "ConversionType": "WSD",
        "InstanceNumber": context.instance_number,
        "ContentDate": f"{at:%Y%m%d}",
        "ContentTime": f"{at:%H%M%S}",
        "PatientOrientation": "",
        "SamplesPerPixel": image.samples_per_pixel,
        "PhotometricInterpretation": image.photometric_interpretation,
        "Rows": image.rows,
        "Columns": image.columns,
        "BitsAllocated": image.bits_allocated,
        "BitsStored": image.bits_stored,
        "HighBit": image.bits_stored - 1,
        "PixelRepresentation": image.pixel_representation,
        # Type 2: they have to be there, known or not
        **dict.fromkeys(("PatientName", "PatientID", "PatientBirthDate", "PatientSex"), ""),
        **dict.fromkeys(("StudyDate", "StudyTime", "StudyID", "AccessionNumber"), ""),
        **dict.fromkeys(("ReferringPhysicianName", "SeriesNumber"), ""),
    }
    if image.samples_per_pixel > 1:
        found["PlanarConfiguration"] = image.planar_configuration
    if picture.lossy:
        found["LossyImageCompression"] = "01"
        found["LossyImageCompressionRatio"] = f"{image.frame_size / len(picture.file):.3g}"
        found["LossyImageCompressionMethod"] = "ISO_10918_1"
    return found


def _local_time(context: CaptureContext) -> datetime:
    """Local time: by Timezone Offset From UTC (PS3.3 §C.12.1.1.8) if the study has it, else the server's."""
    offset = moments.offset(str(context.subject.get("TimezoneOffsetFromUTC", "")))
    return context.created_at.astimezone(None if offset is None else timezone(offset))


def _attribute(keyword: str, value: Any) -> tuple[str, dict[str, Any]]:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    vr = str(dictionary_VR(tag))
    return f"{tag:08X}", {"vr": vr, "Value": _values(value, vr, multiple=str(dictionary_VM(tag)) != "1")}


def _values(value: Any, vr: str, *, multiple: bool) -> list[Any]:
    if not isinstance(value, str):
        return value if isinstance(value, list) else [value]
    texts = value.split("\\") if multiple else [value]
    return [to_groups(each) for each in texts] if vr == "PN" else texts


def _private(picture: Photo) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        f"{_RESERVED:08X}": {"vr": "LO", "Value": [_CREATOR]},
        f"{_MEDIA_TYPE:08X}": {"vr": "LO", "Value": [picture.media_type]},
        f"{_LENGTH:08X}": {"vr": "UL", "Value": [len(picture.file)]},
    }
    if not picture.is_kept:
        found[f"{_FILE:08X}"] = {"vr": "OB", "BulkDataURI": _ORIGINAL}
    return found


def original(header: Header, instance: StoredInstance) -> BulkValue | None:
    """The file that the instance was made from; None when it was DICOM to begin with."""
    if header.trimmed(_RESERVED) != _CREATOR:
        return None
    kind, length = header.trimmed(_MEDIA_TYPE), header.integer(_LENGTH, 0)
    if kind not in MEDIA_TYPES:
        return None
    found = header.element(_FILE)
    ranges = ((found.offset, length),) if found else tuple(frame_index_of(instance).ranges(0))
    return BulkValue(header.source, _up_to(length, ranges), media_type=kind)


def _up_to(length: int, ranges: Iterable[Range]) -> tuple[Range, ...]:
    """`ranges` cut off after `length` bytes, which removes the padding."""
    kept = list[Range]()
    for offset, size in ranges:
        kept.append((offset, min(size, length)))
        length -= kept[-1][1]
    return tuple(kept)
