"""`/docs`: the OpenAPI document as a page for people, without scripts and without other servers."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pacs.http import openapi
from pacs.http.compressed import compressing
from pacs.http.operation import TEXT, Operation, describe
from pacs.http.origin import origin
from pacs.http.resource import Public

PATHS = ("/docs", "/redoc", "/swagger-ui", "/api/docs", "/api/v1/redoc", "/api/v1/swagger-ui")
"""Paths under which other servers have such a page."""

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--accent:#0a7ea4}
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 6rem}
h1{font-size:1.7rem;margin:0}h2{margin:2.5rem 0 .75rem;font-size:1.15rem;text-transform:capitalize}
nav a{margin-right:1rem}a{color:var(--accent)}
details{border:1px solid var(--line);border-radius:.5rem;margin:.4rem 0;padding:.55rem .8rem}
details[open]{background:var(--soft)}summary{cursor:pointer;display:flex;gap:.75rem;align-items:baseline}
summary b{font:600 .75rem ui-monospace,monospace;min-width:4rem;color:var(--accent)}
summary code{overflow-wrap:anywhere}summary span{margin-left:auto;opacity:.7;text-align:right}
code,pre{font-family:ui-monospace,monospace;font-size:.85em}
pre{overflow:auto;background:var(--soft);padding:.75rem;border-radius:.4rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .6rem .3rem 0;vertical-align:top;border-bottom:1px solid var(--line)}
@media(max-width:40rem){summary{flex-wrap:wrap}summary span{margin:0;width:100%;text-align:left}}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none'"


def routes() -> list[Route]:
    return [Public(path, compressing(show_docs)) for path in PATHS]


@describe(Operation(answers={"text/html": TEXT}))
def show_docs(request: Request) -> Response:
    """The API, described for people."""
    found = openapi.document(request.app.routes)
    page = "".join(_page(found, origin(request)))
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


def _page(found: Mapping[str, Any], root: str) -> Iterator[str]:
    title = _text(f"{found['info']['title']} API {found['info']['version']}")
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
    yield f"<p>{_text(found['info']['description'])}"
    yield " A bearer token is made by <code>pacs token create</code>.</p>"
    root = _text(root)
    yield f'<nav><a href="{root}{openapi.PATH}">openapi.json</a><a href="{root}/">Start page</a>'
    tags = [tag["name"] for tag in found["tags"]]
    yield "".join(f'<a href="#{_text(tag)}">{_text(tag)}</a>' for tag in tags) + "</nav>"
    for tag in tags:
        yield f'<h2 id="{_text(tag)}">{_text(tag)}</h2>'
        for path, methods in found["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"]:
                    yield from _operation(method, path, operation, found["components"]["schemas"])
    yield "</main></body></html>"


def _operation(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Iterator[str]:
    yield f"<details><summary><b>{method.upper()}</b><code>{_text(path)}</code>"
    yield f"<span>{_text(operation['summary'])}</span></summary>"
    if text := operation.get("description"):
        yield f"<p>{_text(text)}</p>"
    needs = operation.get("x-right")
    public = operation.get("security") == []
    yield f"<p>Needs {'nothing' if public else f'the right to {needs}' if needs else 'a signed-in user'}.</p>"
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>"
        for each in parameters:
            said = f"{each.get('description', '')} {_shown(each['schema'])}".strip()
            yield f"<tr><td><code>{_text(each['name'])}</code></td><td>{each['in']}</td>"
            yield f"<td>{_text(said)}</td></tr>"
        yield "</table>"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{_text(media_type)}</code></p>{_schema(content['schema'], schemas)}"
    for status, response in operation["responses"].items():
        types = ", ".join(response.get("content", {})) or "no body"
        yield f"<p>{status}: {_text(response['description'])}, <code>{_text(types)}</code></p>"
    yield "</details>"


def _schema(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    written = orjson.dumps(schemas.get(name, schema), option=orjson.OPT_INDENT_2).decode()
    return f"<pre>{_text(written)}</pre>"


def _shown(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    limits = [f"{name} {schema[name]}" for name in ("minimum", "maximum", "default") if name in schema]
    return ", ".join((str(schema.get("type", "")), *limits))


def _text(text: object) -> str:
    return html.escape(str(text))
