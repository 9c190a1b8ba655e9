"""Texts are gzipped for callers who ask for it (RFC 9110 §12.5.3). Pictures are compressed already.

This is for bodies that are complete before they are sent; `pacs.http.body_cache` is for those that are not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from pacs.deflate import gzipped
from pacs.http.accept import takes_gzip

WORTH = 1400
"""Bytes below which a body leaves in one packet however it is encoded."""
_TEXTS = ("json", "xml", "html")


def compressing(endpoint: Callable[[Request], Response]) -> Callable[..., Response]:
    @wraps(endpoint)
    def answer(request: Request) -> Response:
        response = endpoint(request)
        body = getattr(response, "body", b"")
        if len(body) >= WORTH and _may_be(response):
            response.headers.add_vary_header("Accept-Encoding")
            if takes_gzip(request):
                response.body = b"".join(gzipped([body]))
                response.headers["Content-Length"] = str(len(response.body))
                response.headers["Content-Encoding"] = "gzip"
        return response

    return answer


def _may_be(response: Response) -> bool:
    """Not if an entity tag stands for exactly these bytes, nor if they are encoded already."""
    headers = response.headers
    content_type = headers.get("content-type", "")
    return not {"etag", "content-encoding"} & set(headers) and any(text in content_type for text in _TEXTS)
