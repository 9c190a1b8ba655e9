"""Writing data sets as an answer: the DICOM JSON Model, or the Native DICOM Model in multipart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request

from dicomweb import multipart
from dicomweb.multipart import Part, PartHead
from dicomweb.native_model import to_xml
from pacs.errors import NotAcceptable
from pacs.http.accept import Offer, acceptable, choose
from pacs.http.streaming import Pieces

JSON, PLAIN_JSON, XML = "application/dicom+json", "application/json", "application/dicom+xml"
OFFERS = (Offer(JSON), Offer(PLAIN_JSON), Offer(XML, multipart=True))
_TAKEN = (*OFFERS, Offer(XML))  # which is answered in parts, too


def wanted(request: Request) -> Offer:
    """The accepted media type, or JSON for viewers that send the Accept for frames with every request."""
    ranges = acceptable(request)
    try:
        return choose(ranges, _TAKEN)
    except NotAcceptable:
        if any(one.multipart for one in ranges):
            return OFFERS[0]
        raise


def in_parts(data_sets: Iterable[Mapping[str, Any]], boundary: str) -> Pieces:
    """The Native DICOM Model of each (PS3.18 §8.7.3.2)."""
    return multipart.encoded(map(_part, data_sets), boundary)


def _part(data_set: Mapping[str, Any]) -> Part:
    xml = to_xml(data_set)
    return PartHead(XML, len(xml)), (xml,)
