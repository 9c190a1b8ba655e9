"""A trailing slash makes no difference. No redirect: many clients do not repeat a POST after one."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

_ROOTS = ("/api/", "/dicom-web/", "/health/", "/docs/", "/redoc/", "/schema/", "/swagger-ui/")
_OF_ITS_OWN = frozenset({"/dicom-web/"})


class TrailingSlashMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if f"{path}/" in _OF_ITS_OWN:
            scope = {**scope, "path": f"{path}/"}
        elif path.endswith("/") and path.startswith(_ROOTS) and path not in _OF_ITS_OWN:
            scope = {**scope, "path": path.rstrip("/")}
        await self.app(scope, receive, send)
