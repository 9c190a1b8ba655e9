"""The OpenAPI descriptions of the DICOMweb resources, by path."""

from __future__ import annotations

import re

from dicomweb.search.order import SORTED_BY
from pacs.attributes import TABLE, Level
from pacs.http.operation import BINARY, OBJECT, TEXT, WHOLE, Operation, Schema
from pacs.http.resource import Resource

_SWITCH = {"type": "string", "enum": ["true", "false"]}
_ARRAY: Schema = {"type": "array", "items": OBJECT}


def _text(description: str) -> Schema:
    return {**TEXT, "description": description}


_ACCEPT = {"accept": _text("Media types, instead of those of the header Accept (PS3.18 §8.3.3.1)")}
_SIZE = {**_ACCEPT, "viewport": _text("width,height or width,height,x,y,width,height of the source")}
_PICTURE = {
    **_SIZE,
    "window": _text("center,width or center,width,function: linear, linear-exact or sigmoid"),
    "annotation": _text("patient, technique or both, with a comma between"),
    "quality": {"type": "integer", "minimum": 1, "maximum": 100, "description": "Of lossy compression"},
    "iccprofile": {"type": "string", "enum": ["no", "yes", "srgb"]},
}
_KNOWN = {"If-None-Match": _text("Entity tags that the caller holds; 304 when one of them is current")}
_PARTS = {"Range": _text("Of a ZIP file, a value, a document, a video or frames as stored"), **_KNOWN}


def _search(level: Level) -> Operation:
    """With the keys that are answered by default; the others of the conformance statement are taken too."""
    keys = {a.keyword: TEXT for a in TABLE if a.default and a.level.depth <= level.depth and not a.items}
    fields = {
        **keys,
        "includefield": _text("Attributes by keyword or tag, with commas between, or all"),
        "fuzzymatching": _SWITCH,
        "emptyvaluematching": _SWITCH,
        "multiplevaluematching": _SWITCH,
        "limit": WHOLE,
        "offset": WHOLE,
        **_ACCEPT,
    }
    if level is Level.STUDY:
        fields["orderby"] = _text(f"Some of {', '.join(SORTED_BY)}; with - in front for descending")
    answers = {"application/dicom+json": _ARRAY, 'multipart/related; type="application/dicom+xml"': BINARY}
    return Operation(fields, answers=answers, status="2XX", summary="Search (PS3.18 §10.6)")


_RETRIEVE = {
    'multipart/related; type="application/dicom"': BINARY,
    "application/dicom": BINARY,
    "application/zip": BINARY,
}


def _retrieve(
    summary: str,
    answers: dict[str, Schema],
    query: dict[str, Schema] = _ACCEPT,
    headers: dict[str, Schema] | None = None,
) -> Operation:
    return Operation(query, headers or {}, status="2XX", answers=answers, summary=summary)


_FRAMES = {"multipart/related": BINARY, "*/*": BINARY}
_METADATA = {"application/dicom+json": _ARRAY, "multipart/related": BINARY}
_BY_END = (
    (r"/frames/{\w+}", _retrieve("Retrieve frames", _FRAMES, headers=_PARTS)),
    (r"/bulkdata/{\w+}", _retrieve("Retrieve bulk data", {"*/*": BINARY}, headers=_PARTS)),
    ("/bulkdata", _retrieve("Retrieve all bulk data", {"multipart/related": BINARY})),
    (r"/instances/{\w+}/pixeldata", _retrieve("Retrieve pixel data", _FRAMES, headers=_PARTS)),
    ("/pixeldata", _retrieve("Retrieve pixel data", {"multipart/related": BINARY})),
    ("/metadata", _retrieve("Retrieve metadata", _METADATA, headers=_KNOWN)),
    ("/rendered", _retrieve("Retrieve rendered", {"*/*": BINARY}, _PICTURE, _PARTS)),
    ("/thumbnail", _retrieve("Retrieve a thumbnail", {"*/*": BINARY}, _SIZE, _KNOWN)),
    ("/studies", _search(Level.STUDY)),
    ("/series", _search(Level.SERIES)),
    ("/instances", _search(Level.IMAGE)),
    ("", _retrieve("Retrieve (PS3.18 §10.4)", _RETRIEVE, headers=_PARTS)),
)
_BY_METHOD = {
    "POST": Operation(
        body={'multipart/related; type="application/dicom"': BINARY, "application/dicom": BINARY},
        status="2XX",
        answers={"application/dicom+json": OBJECT},
        summary="Store instances (PS3.18 §10.5)",
    ),
    "OPTIONS": Operation(status="2XX", summary="What this service can do (PS3.18 §8.9)"),
}


def described(*routes: Resource) -> list[Resource]:
    """The same routes, with their descriptions attached."""
    for route in routes:
        route.operation = _description(route)
    return list(routes)


def _description(route: Resource) -> Operation:
    for method in route.methods or ():
        if method in _BY_METHOD:
            return _BY_METHOD[method]
    return next(description for end, description in _BY_END if re.search(f"({end})$", route.path_format))
