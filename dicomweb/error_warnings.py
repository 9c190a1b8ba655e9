"""Errors carry their reason in a `Warning` header too (PS3.18 §8.5), as many clients show no body."""

from __future__ import annotations

from contextlib import suppress

import orjson
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomweb.warning import warning
from pacs.http.origin import origin


class ErrorWarningsMiddleware:
    """Wraps the service at `root`. The body of an error is one small message (`pacs.http.problems`)."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self.app = app
        self.root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held: Message | None = None

        async def send_with_warning(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and message["status"] >= 400:
                held = message
                return
            if held is not None:
                self._warn(scope, MutableHeaders(scope=held), message.get("body", b""))
                await send(held)
                held = None
            await send(message)

        await self.app(scope, receive, send_with_warning)

    def _warn(self, scope: Scope, headers: MutableHeaders, body: bytes) -> None:
        if "Warning" in headers:
            return
        with suppress(orjson.JSONDecodeError, KeyError, TypeError):
            text = orjson.loads(body)["message"]
            headers.append(*warning(origin(Request(scope)) + self.root, str(text)))
