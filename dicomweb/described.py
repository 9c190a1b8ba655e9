"""The OpenAPI descriptions of the DICOMweb resources, by path."""

from __future__ import annotations

import re

from pacs.attributes import TABLE
from pacs.http.described import BINARY, OBJECT, TEXT, WHOLE, Described, Schema
from pacs.http.resource import Resource

_SWITCH = {"type": "string", "enum": ["true", "false"]}
_ARRAY: Schema = {"type": "array", "items": OBJECT}
_SEARCHED = {a.keyword: TEXT for a in TABLE if a.default and not a.computed and not a.items}
_SEARCH = Described(
    {**_SEARCHED, "includefield": TEXT, "fuzzymatching": _SWITCH, "limit": WHOLE, "offset": WHOLE},
    answers={"application/dicom+json": _ARRAY, 'multipart/related; type="application/dicom+xml"': BINARY},
    status="2XX",
    summary="Search (PS3.18 §10.6)",
)
_RETRIEVE = {
    'multipart/related; type="application/dicom"': BINARY,
    "application/dicom": BINARY,
    "application/zip": BINARY,
}


def _retrieve(summary: str, answers: dict[str, Schema]) -> Described:
    return Described(status="2XX", answers=answers, summary=summary)


_BY_END = (
    (r"/frames/{\w+}", _retrieve("Retrieve frames", {"multipart/related": BINARY, "*/*": BINARY})),
    (r"/bulkdata(/{\w+})?", _retrieve("Retrieve bulk data", {"*/*": BINARY})),
    (
        "/metadata",
        _retrieve("Retrieve metadata", {"application/dicom+json": _ARRAY, "multipart/related": BINARY}),
    ),
    ("/rendered|/thumbnail", _retrieve("Retrieve rendered", {"*/*": BINARY})),
    ("/(studies|series|instances)", _SEARCH),
    ("", _retrieve("Retrieve (PS3.18 §10.4)", _RETRIEVE)),
)
_BY_METHOD = {
    "POST": Described(
        body={'multipart/related; type="application/dicom"': BINARY, "application/dicom": BINARY},
        status="2XX",
        answers={"application/dicom+json": OBJECT},
        summary="Store instances (PS3.18 §10.5)",
    ),
    "OPTIONS": Described(status="2XX", summary="What this service can do (PS3.18 §8.9)"),
}


def described(*routes: Resource) -> list[Resource]:
    """The same routes, with their descriptions attached."""
    for route in routes:
        route.described = _description(route)
    return list(routes)


def _description(route: Resource) -> Described:
    for method in route.methods or ():
        if method in _BY_METHOD:
            return _BY_METHOD[method]
    return next(said for end, said in _BY_END if re.search(f"({end})$", route.path_format))
