"""OHIF, if installed: its static build, served at a path of its own and configured for this archive.

Its files are served unchanged except for the paths in its document and `app-config.js`. It calls this
archive from the same origin with the session's cookie, so no URL contains a token.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from importlib import resources
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from pacs.http.accept import takes_gzip
from pacs.http.origin import public_path
from pacs.http.resource import Public
from worklist.http.assets import ASKED_AGAIN, KEPT_FOR_EVER, MEDIA_TYPES, answer, asset

PATH = "/ohif"
DOCUMENT, CONFIGURATION = "index.html", "app-config.js"

_HASHED = re.compile(r"[.0-9a-f]*[0-9a-f]{20}\.[a-z0-9]+$|\.bundle\.[0-9a-f]{20}\.")
"""File names that contain a digest of the content."""
_ABSOLUTE = re.compile(r"""((?:src|href|content)=["']|PUBLIC_URL = ')/(?!/)""")
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)

ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
"""Required by browsers for shared memory, which the decoders use."""


def policy(document: str) -> str:
    """The least that OHIF needs: its own scripts, and the inline ones of its document by hash.

    Its ndarray and its decoders compile code that they write themselves: without `unsafe-eval` no
    segmentation opens.
    """
    hashes = (
        b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in _INLINE.findall(document)
    )
    inline = " ".join(f"'sha256-{each}'" for each in hashes)
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'unsafe-eval' 'wasm-unsafe-eval' blob: {inline}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "frame-src 'self' blob:",
            "object-src 'self' blob:",
            "media-src 'self' blob:",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def installed(folder: Path) -> bool:
    return (folder / DOCUMENT).is_file()


class Ohif:
    """`folder`: the `dist` folder of its package."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
        }
        self._document = (folder / DOCUMENT).read_text("utf-8")
        self._configuration = (resources.files("worklist") / "ui" / "ohif-config.js").read_bytes()

    def routes(self) -> list[Public]:
        return [Public("/viewer", self.open), Public(PATH + "/{name:path}", self.file)]

    def open(self, request: Request) -> Response:
        return RedirectResponse(f"{public_path(request)}{PATH}/viewer?{request.url.query}", 307)

    def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name == CONFIGURATION:
            response = answer(request, asset(name, self._configuration), ASKED_AGAIN)
        elif name in self._files and name != DOCUMENT:
            response = self._stored(request, name)
        elif "." in name.rsplit("/", 1)[-1] and name != DOCUMENT:
            raise HTTPException(404)
        else:
            response = self._page(request)
        response.headers.update(ISOLATED)
        return response

    def _stored(self, request: Request, name: str) -> Response:
        path = self._files[name]
        cache = KEPT_FOR_EVER if _HASHED.search(name) else ASKED_AGAIN
        headers = {"Cache-Control": cache, "Vary": "Accept-Encoding", "Content-Security-Policy": policy("")}
        media_type = MEDIA_TYPES.get(path.suffix)
        packed = self._files.get(f"{name}.gz")
        if packed is not None and takes_gzip(request):
            headers["Content-Encoding"] = "gzip"
            path = packed
        return FileResponse(path, headers=headers, media_type=media_type)

    def _page(self, request: Request) -> Response:
        base = f"{public_path(request)}{PATH}/"
        text = _ABSOLUTE.sub(lambda found: found[1] + base, self._document)
        text = text.replace("<head>", f'<head><meta name="root" content="{public_path(request)}">', 1)
        response = answer(request, asset(DOCUMENT, text.encode()), ASKED_AGAIN)
        response.headers["Content-Security-Policy"] = policy(text)
        return response
