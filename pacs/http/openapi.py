"""The OpenAPI 3.1 document, generated from the route table, so that it cannot omit a route."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import pacs
from pacs.http.operation import OBJECT, TEXT, UID, Operation, Schema, answers_json, describe
from pacs.http.resource import Public, Resource
from pacs.http.route_table import leaves

PATH = "/api/v1/openapi.json"
ALIASES = ("/schema", "/api/v1/schema")
PAGES = re.compile(r"/(api/v1|dicom-web|wado|health|metrics)(/|$)")
"""Path prefixes of the APIs; other routes are web pages."""

_UIDS = frozenset({"study", "series", "sop", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"})
_SCHEMAS = "#/components/schemas/"
_PROBLEM: Schema = {
    "type": "object",
    "required": ["status", "code", "message", "correlation_id"],
    "properties": {
        "status": {"const": "error"},
        "code": {"type": "string", "pattern": "^[A-Z_]+$"},
        "message": TEXT,
        "correlation_id": TEXT,
    },
}
_NOTHING = Operation()


def routes() -> list[Route]:
    @describe(Operation(answers=answers_json(OBJECT)))
    def show_openapi(request: Request) -> Response:
        """This API as an OpenAPI 3.1 document."""
        return Response(written(request.app.routes), media_type="application/json")

    return [Resource(path, show_openapi, None) for path in (PATH, *ALIASES)]


def written(routes: Iterable[BaseRoute]) -> str:
    return orjson.dumps(document(routes), option=orjson.OPT_INDENT_2).decode()


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    names: set[str] = set()
    for path, each in flattened(routes):
        if PAGES.match(path):
            for method in sorted((each.methods or set()) - {"HEAD"}):
                operation = _operation(path, method, each, schemas)
                if operation["operationId"] in names:  # beside a page of the same name
                    operation["operationId"] = _operation_id(path, method)
                names.add(operation["operationId"])
                paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lightbox PACS",
            "version": pacs.__version__,
            "description": "Errors are `Problem`s. Times are RFC 3339 in UTC; UIDs are strings.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`pacs token create`"},
                "session": {"type": "apiKey", "in": "cookie", "name": "pacs_session"},
            },
        },
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": name} for name in sorted({_tag(path) for path in paths})],
    }


def flattened(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, Route]]:
    """Every route with its whole path in OpenAPI's notation."""
    return ((prefix + each.path_format, each) for prefix, each in leaves(routes))


def _operation(path: str, method: str, each: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: Any = getattr(each, "operation", None) or getattr(each.endpoint, "operation", _NOTHING)
    summary, _, text = (operation.summary or inspect.getdoc(each.endpoint) or "").partition("\n\n")
    found: dict[str, Any] = {
        "operationId": _operation_id(path.removeprefix("/api/v1"), method),
        "summary": " ".join(summary.split()) or f"{method} {path}",
        "tags": [_tag(path)],
        "responses": _responses(operation),
    }
    if text := " ".join(text.split()):
        found["description"] = text
    stated = chain(_parameters("query", operation.query), _parameters("header", operation.headers))
    if parameters := [*_path_parameters(each, path), *stated]:
        found["parameters"] = parameters
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": _content(operation.body, schemas)}
    if isinstance(each, Public):
        found["security"] = []
    elif isinstance(each, Resource) and each.right is not None:
        found["x-right"] = str(each.right)
    return found


def _operation_id(path: str, method: str) -> str:
    return "_".join((method.lower(), *re.findall(r"[A-Za-z0-9]+", path)))


def _tag(path: str) -> str:
    parts = path.removeprefix("/api/v1").strip("/").split("/")
    return {"dicom-web": "DICOMweb", "wado": "DICOMweb", "metrics": "health"}.get(parts[0], parts[0])


def _path_parameters(each: Route, path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        schema = UID if name in _UIDS else {**TEXT, "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _parameters(where: str, given: Mapping[str, Schema]) -> Iterator[dict[str, Any]]:
    for name, schema in given.items():
        schema = dict(schema)
        text = schema.pop("description", "")
        required = schema.pop("required", None) is True
        yield {"name": name, "in": where, "schema": schema, "required": required, "description": text}


def _content(body: type[BaseModel] | Mapping[str, Schema], schemas: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(body, type):
        return {media_type: {"schema": schema} for media_type, schema in body.items()}
    schema = body.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[body.__name__] = schema
    return {"application/json": {"schema": {"$ref": _SCHEMAS + body.__name__}}}


def _responses(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success"}
    if operation.answers:
        success["content"] = {
            media_type: {"schema": schema} for media_type, schema in operation.answers.items()
        }
    problem = {"application/json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}}
    return {
        "2XX" if operation is _NOTHING else str(operation.status): success,
        "default": {"description": "What went wrong", "content": problem},
    }
