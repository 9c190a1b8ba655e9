"""How an instance that is not an image is rendered: documents and video as they are, reports as text."""

from __future__ import annotations

from dicomweb.frame_types import COMPRESSED
from pacs.bulk import BulkValue, bulk_value
from pacs.dicom.header import Header
from pacs.dicom.source import BytesSource
from pacs.dicom.transfer_syntaxes import VIDEO
from pacs.errors import NotAcceptable, NotFound
from pacs.model import StoredInstance
from pacs.structured_report import as_html, as_text, is_report

_ENCAPSULATED_DOCUMENT = 0x00420011
DOCUMENTS = frozenset({"application/pdf", "text/xml", "application/xml", "text/plain", "model/stl"})
_REPORT = ("text/html", "text/plain")
KINDS = tuple(dict.fromkeys((*_REPORT, *sorted(DOCUMENTS), *(COMPRESSED[video] for video in sorted(VIDEO)))))
"""The media types of all depictions."""


def depictions(header: Header, instance: StoredInstance) -> list[BulkValue]:
    """The best first, each with its media type. `NotAcceptable` when there is nothing to render."""
    pixels = header.pixel_data
    if instance.transfer_syntax in VIDEO and pixels is not None:
        return [_of_type(bulk_value(header, (pixels.tag,)), COMPRESSED[instance.transfer_syntax])]
    if is_report(header):
        return [
            _text(as_html(header), f"{_REPORT[0]}; charset=utf-8"),
            _text(as_text(header), f"{_REPORT[1]}; charset=utf-8"),
        ]
    try:
        document = bulk_value(header, (_ENCAPSULATED_DOCUMENT,))
    except NotFound:
        raise NotAcceptable("this instance has nothing to render") from None
    if document.media_type not in DOCUMENTS:
        raise NotAcceptable("documents of this type are not rendered here; retrieve the bulk data instead")
    return [document]


def _of_type(value: BulkValue, media_type: str) -> BulkValue:
    return BulkValue(value.source, value.ranges, value.unit, media_type)


def _text(text: str, media_type: str) -> BulkValue:
    data = text.encode()
    return BulkValue(BytesSource(data), ((0, len(data)),), 0, media_type)
