"""Retrieve Capabilities (PS3.18 §8.9), generated from the service's own routes.

The document is WADL (W3C submission of 31 August 2009) in XML, or the same tree in JSON. It lists exactly
the routes that exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from xml.sax.saxutils import quoteattr

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacs.http.accept import DICOM, MULTIPART, OCTETS, ZIP, Offer, acceptable, choose
from pacs.http.origin import origin
from pacs.http.resource import Resource
from pacs.rights import Right

WADL, WADL_JSON, JSON = "application/vnd.sun.wadl+xml", "application/vnd.sun.wadl+json", "application/json"
_OFFERS = (Offer(WADL), Offer("application/xml"), Offer("text/xml"), Offer(WADL_JSON), Offer(JSON))
_BEGIN = '<?xml version="1.0" encoding="UTF-8"?>\n<application xmlns="http://wadl.dev.java.net/2009/02">'
_END = "</application>\n"

_DATA_SETS = ("application/dicom+json", f'{MULTIPART}; type="application/dicom+xml"')
_PIXELS = (f'{MULTIPART}; type="{OCTETS}"', f'{MULTIPART}; type="image/*"')
_MEDIA_TYPES: Mapping[str, tuple[str, ...]] = {
    "studies": _DATA_SETS,
    "series": _DATA_SETS,
    "instances": _DATA_SETS,
    "metadata": _DATA_SETS,
    "frames": (*_PIXELS, OCTETS, "image/*", "video/*"),
    "pixeldata": _PIXELS,
    "bulkdata": (f'{MULTIPART}; type="{OCTETS}"', OCTETS),
    "rendered": ("image/jpeg", "image/png", "image/gif", "image/webp"),
    "thumbnail": ("image/jpeg", "image/png"),
    "": (f'{MULTIPART}; type="{DICOM}"', DICOM, ZIP),
}
"""By the last fixed word of a path; `""`: a study, series or instance itself."""

_LEVELS = ("studies", "series", "instances")

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
    if method != "GET":
        return {"@name": method}
    before, last = ["", *path.split("/")][-2:]
    word = last
    if last.startswith("{"):
        word = "" if before in _LEVELS else before
    types = _MEDIA_TYPES.get(word, ())
    return {"@name": method, "response": [{"representation": [{"@mediaType": each} for each in types]}]}


def _xml(tree: Node) -> str:
    return f"{_BEGIN}{_element('resources', tree)}{_END}"


def _element(name: str, node: Node) -> str:
    attributes = "".join(f" {key[1:]}={quoteattr(value)}" for key, value in node.items() if key[0] == "@")
    children = ((key, child) for key, nodes in node.items() if key[0] != "@" for child in nodes)
    return f"<{name}{attributes}>{''.join(_element(key, child) for key, child in children)}</{name}>"
