"""Answers of the REST API: times in RFC 3339 UTC, tasks as 202."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacs.http.origin import origin
from pacs.http.rest import ROOT
from pacs.jobs.tasks import Task

JSON = "application/json"


def to_bytes(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_bytes(content), status, dict(headers or {}), media_type=JSON)


def accepted(request: Request, task: Task, **more: Any) -> Response:
    """202 for a task that was just created; `url` and Location are where its progress is."""
    url = f"{origin(request)}{ROOT}/tasks/{task.id}"
    message = task.message or f"{task.total} item(s)"
    shape = {"task_id": task.id, "status": task.status, "message": message, "url": url}
    return answer(shape | more, 202, {"Location": url})
