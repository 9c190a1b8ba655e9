"""Retrieve Capabilities (PS3.18 §8.9), generated from the service's own routes.

The document is WADL (W3C submission of 31 August 2009) in XML, or the same tree in JSON. It lists exactly
the routes that exist, with the media types from the tables that they are served by.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from xml.sax.saxutils import quoteattr

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dicomweb import all_bulkdata, bulkdata, data_set_types, frame_types, rendered, retrieve
from dicomweb.store import stow
from dicomweb.store.metadata import READERS
from pacs.http.accept import DICOM, Offer, acceptable, choose
from pacs.http.origin import origin
from pacs.http.resource import Resource
from pacs.rights import Right

WADL, WADL_JSON, JSON = "application/vnd.sun.wadl+xml", "application/vnd.sun.wadl+json", "application/json"
_OFFERS = (Offer(WADL), Offer("application/xml"), Offer("text/xml"), Offer(WADL_JSON), Offer(JSON))
_BEGIN = '<?xml version="1.0" encoding="UTF-8"?>\n<application xmlns="http://wadl.dev.java.net/2009/02">'
_END = "</application>\n"

_PICTURES = (*rendered.PICTURES, *rendered.IN_PARTS)
_READ: tuple[tuple[str, tuple[Offer, ...]], ...] = (
    (r"/frames/{\w+}", (*frame_types.IN_PARTS, *frame_types.ALONE)),
    (r"/instances/{\w+}/pixeldata", (*frame_types.IN_PARTS, *frame_types.ALONE)),
    ("/pixeldata", frame_types.IN_PARTS),
    (r"/bulkdata/{\w+(:path)?}", bulkdata.OFFERS),
    ("/bulkdata", all_bulkdata.OFFERS),
    (r"/frames/{\w+}/rendered", _PICTURES),
    ("/rendered", (*_PICTURES, *rendered.DOCUMENTS)),
    ("/thumbnail", rendered.PICTURES),
    ("/(metadata|studies|series|instances)", data_set_types.OFFERS),
    (r"/instances/{\w+}", (retrieve.IN_PARTS, retrieve.ALONE, retrieve.ZIPPED)),
    ("", (retrieve.IN_PARTS, retrieve.ZIPPED)),
)
"""By the end of the path."""
_STORED = (Offer(DICOM, multipart=True), Offer(DICOM), *(Offer(kind, multipart=True) for kind in READERS))

Node = dict[str, Any]


class Capabilities:
    """`resources`: all those of the service at `root`."""

    def __init__(self, resources: Sequence[Resource], root: str) -> None:
        self._resources = resources
        self._root = root

    def answer(self, request: Request) -> Response:
        media_type = choose(acceptable(request), _OFFERS).media_type
        tree: Node = {"@base": f"{origin(request)}{self._root}", "resource": self._tree}
        if media_type in (JSON, WADL_JSON):
            body = orjson.dumps({"application": {"resources": tree}})
        else:
            body = _xml(tree).encode()
        return Response(body, 200, {"Allow": "OPTIONS"}, media_type)

    @cached_property
    def _tree(self) -> list[Node]:
        """One node for each path, with the methods of all its routes."""
        methods: dict[str, list[str]] = {}
        for each in self._resources:
            methods.setdefault(each.path, []).extend(sorted((each.methods or set()) - {"HEAD"}))
        return [_resource(path, found) for path, found in sorted(methods.items())]


def resources(others: Sequence[Resource], root: str) -> list[Resource]:
    return [Resource("/", Capabilities(others, root).answer, Right.READ, ["OPTIONS"])]


def _resource(path: str, methods: Sequence[str]) -> Node:
    names = [part[1:-1].partition(":")[0] for part in path.split("/") if part.startswith("{")]
    return {
        "@path": path.replace(":path}", "}").lstrip("/"),
        "param": [{"@name": name, "@style": "template", "@required": "true"} for name in names],
        "method": [_method(method, path) for method in methods],
    }


def _method(method: str, path: str) -> Node:
    if method == "POST":
        return {"@name": method, "request": [_of(_STORED)], "response": [_of(stow.OFFERS)]}
    return {"@name": method, "response": [_of(_read(path))]}


def _read(path: str) -> Sequence[Offer]:
    return next(offers for end, offers in _READ if re.search(f"({end})$", path))


def _of(offers: Sequence[Offer]) -> Node:
    return {"representation": [{"@mediaType": str(each)} for each in offers]}


def _xml(tree: Node) -> str:
    return f"{_BEGIN}{_element('resources', tree)}{_END}"


def _element(name: str, node: Node) -> str:
    attributes = "".join(f" {key[1:]}={quoteattr(value)}" for key, value in node.items() if key[0] == "@")
    children = ((key, child) for key, nodes in node.items() if key[0] != "@" for child in nodes)
    return f"<{name}{attributes}>{''.join(_element(key, child) for key, child in children)}</{name}>"
