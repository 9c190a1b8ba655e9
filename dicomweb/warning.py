"""The `Warning: 299` header: remarks on an answer (PS3.18 §8.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.requests import Request

from pacs.http.origin import origin

_UNFIT = re.compile(r"[^ !#-\[\]-~]")


def warning(service: str, text: str) -> dict[str, str]:
    """The header. `service`: this service's URL, which PS3.18 puts into it."""
    quotable = _UNFIT.sub("?", text.replace('"', "'"))
    return {"Warning": f'299 {service} "{quotable}"'}


def left_out(count: int, total: int, what: str, why: str) -> str:
    """The remark on an answer that lacks something (206, PS3.18 §10.4.3.1)."""
    return f"{count} of {total} {what} left out: {why}"


def reason(root: str, request: Request, message: str) -> Mapping[str, str]:
    """Why an error was the answer, as many clients show no body. `root`: where the service is mounted."""
    return warning(origin(request) + root, message)
