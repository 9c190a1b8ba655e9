"""`/docs`: the OpenAPI document as a page for people, without scripts and without other servers."""

from __future__ import annotations

import base64
import hashlib
import html
import re
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
:root{color-scheme:dark;--page:#0d0f12;--soft:#14171c;--line:#252b34;--text:#e8ebf0;--text-2:#a7b0bd;--accent:#4da3ff}
@media(prefers-color-scheme:light){:root{color-scheme:light;--page:#fff;--soft:#f6f7f9;--line:#d5dae1;
--text:#14171c;--text-2:#47505d;--accent:#0b62c4}}
@media(prefers-contrast:more){:root{color-scheme:dark;--page:#000;--soft:#000;--line:#8a94a3;
--text:#fff;--text-2:#f0f2f5;--accent:#7dbcff}}
*{box-sizing:border-box}
body{margin:0;font:14px/20px system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif;
background:var(--page);color:var(--text)}
main{max-width:64rem;margin:0 auto;padding:24px 16px 64px;overflow-wrap:anywhere}
h1{font-size:20px;line-height:28px;margin:0}h2{margin:32px 0 8px;font-size:16px;line-height:24px}
h2::first-letter{text-transform:uppercase}
nav{display:flex;flex-wrap:wrap;gap:4px 16px}a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}
details{border-bottom:1px solid var(--line);padding:8px}details[open]{background:var(--soft)}
summary{cursor:pointer;display:flex;gap:4px 12px;align-items:baseline}
summary b{font:600 12px ui-monospace,monospace;min-width:56px;color:var(--accent)}
summary span{margin-left:auto;color:var(--text-2);text-align:right}
code,pre{font-family:ui-monospace,monospace;font-size:12px}
pre{overflow:auto;background:var(--soft);border:1px solid var(--line);padding:12px;border-radius:4px}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:4px 8px 4px 0;vertical-align:top;border-bottom:1px solid var(--line)}
th{color:var(--text-2);font-weight:500}
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
    yield f"<p>{_said(found['info']['description'])}"
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
    yield f"<span>{_said(operation['summary'])}</span></summary>"
    if text := operation.get("description"):
        yield f"<p>{_said(text)}</p>"
    needs = operation.get("x-right")
    public = operation.get("security") == []
    yield f"<p>Needs {'nothing' if public else f'the right to {needs}' if needs else 'a signed-in user'}.</p>"
    if parameters := operation.get("parameters"):
        yield "<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>"
        for each in parameters:
            said = f"{each.get('description', '')} {_shown(each['schema'])}".strip()
            yield f"<tr><td><code>{_text(each['name'])}</code></td><td>{each['in']}</td>"
            yield f"<td>{_said(said)}</td></tr>"
        yield "</table>"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{_text(media_type)}</code></p>{_schema(content['schema'], schemas)}"
    for status, response in operation["responses"].items():
        types = ", ".join(response.get("content", {})) or "no body"
        yield f"<p>{status}: {_said(response['description'])}, <code>{_text(types)}</code></p>"
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


def _said(text: str) -> str:
    """What the document writes in Markdown: words between backticks are code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", _text(text))
