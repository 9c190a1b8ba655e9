"""The pages: one document for every path, which loads the application; it routes by path.

Neither the document nor the application contains patient data, so both are public; the data comes from
the archive's resources, which require authentication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from string import Template

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from pacs.http.origin import public_path
from pacs.http.problems import FailurePage
from pacs.http.resource import Public
from worklist.http import dictionary
from worklist.http.assets import ASKED_AGAIN, KEPT_FOR_EVER, Assets, answer, asset, read
from worklist.http.ohif import Ohif, installed

PAGES = ("/", "/signin", "/uploads", "/deletions", "/view")
VIEWER = "/viewer"
ASSETS = "/assets"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "frame-src blob:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_ENTRY = "app.js"
_NOT_AT_ONCE = ("strings/", "ohif-config.js")
"""Modules that are loaded on demand."""


class Pages:
    def __init__(self, assets: Assets, viewer: str, time_zone: str, dicom: str) -> None:
        self._assets = assets
        self._installed = {"viewer": viewer, "time_zone": escape(time_zone), "dicom": escape(dicom)}
        self._document = Template(assets.files["index.html"].body.decode())
        self._modules = [
            name
            for name in assets.files
            if name.endswith(".js") and name != _ENTRY and not name.startswith(_NOT_AT_ONCE)
        ] + ["strings/en.js"]

    def document(self, request: Request) -> Response:
        response = answer(request, asset("index.html", self._text(request).encode()), ASKED_AGAIN)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    def failure(self, request: Request, status: int, problem: Mapping[str, str]) -> Response:
        """The document, told what went wrong; it says so without the application, too."""
        told = (
            f'<meta name="failure" content="{escape(orjson.dumps({**problem, "status": status}).decode())}">'
        )
        title = f"{status} {HTTPStatus(status).phrase}"
        small = f"<small>{escape(problem['correlation_id'])}</small>"
        said = f'<main class="empty"><h2>{title}</h2><p>{escape(problem["message"])}</p>{small}</main>'
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Vary": "Accept"}
        return HTMLResponse(self._text(request, told, said), status, headers)

    def _text(self, request: Request, told: str = "", said: str = "") -> str:
        root = public_path(request)
        base = f"{root}{ASSETS}/{self._assets.digest}"
        preloads = "\n".join(f'<link rel="modulepreload" href="{base}/{name}">' for name in self._modules)
        return self._document.substitute(
            root=escape(root), base=escape(base), preloads=preloads, told=told, said=said, **self._installed
        )

    def file(self, request: Request) -> Response:
        found = self._assets.files.get(request.path_params["name"])
        if found is None or request.path_params["digest"] != self._assets.digest:
            raise HTTPException(404)
        response = answer(request, found, KEPT_FOR_EVER)
        # a worker is under the policy of its own script
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response


@dataclass(frozen=True, slots=True)
class Site:
    routes: Sequence[BaseRoute]
    failure: FailurePage


def site(ohif: Path | None = None, time_zone: str = "", dicom: tuple[int, str] = (11112, "PACS")) -> Site:
    """`ohif`: the folder of its static build, which need not exist.

    `time_zone`: the organisation's, in which the server's times are shown; empty for the reader's own.
    `dicom`: port and AE title that images are sent to.
    """
    built_in = ohif is None or not installed(ohif)
    assets = read(Path(str(resources.files("worklist") / "ui")), {dictionary.FILE: dictionary.names()})
    pages = Pages(assets, "built-in" if built_in else "ohif", time_zone, " ".join(map(str, dicom)))
    routes = [
        *(Public(path, pages.document) for path in PAGES),
        Public(ASSETS + "/{digest}/{name:path}", pages.file),
        *([Public(VIEWER, pages.document)] if ohif is None or built_in else Ohif(ohif).routes()),
    ]
    return Site(routes, pages.failure)
