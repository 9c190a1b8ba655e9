"""How answers made of data sets are written: the DICOM JSON Model, or the Native DICOM Model in parts."""

from __future__ import annotations

from starlette.requests import Request

from pacs.errors import NotAcceptable
from pacs.http.accept import Offer, acceptable, choose

JSON, PLAIN_JSON, XML = "application/dicom+json", "application/json", "application/dicom+xml"
_OFFERS = (Offer(JSON), Offer(PLAIN_JSON), Offer(XML, multipart=True), Offer(XML))


def wanted(request: Request) -> Offer:
    """Viewers send the Accept of their frames with everything; they can read JSON all the same."""
    ranges = acceptable(request)
    try:
        return choose(ranges, _OFFERS)
    except NotAcceptable:
        if any(one.multipart for one in ranges):
            return _OFFERS[0]
        raise
