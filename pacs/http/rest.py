"""The REST API: every resource under `/api/v1` that is about images, studies and what happens to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.routing import BaseRoute

from pacs.archive import Archive
from pacs.http import changes, events
from pacs.http.broadcast import Broadcast
from pacs.ports import ChangeFeed

ROOT = "/api/v1"


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Rest:
    """What the resources work on. `stopping`: whether the server is about to end."""

    archive: Archive
    changes: ChangeFeed
    stopping: Callable[[], bool] = _never


def routes(rest: Rest) -> list[BaseRoute]:
    return [
        changes.route(f"{ROOT}/changes", rest.changes),
        events.route(f"{ROOT}/events", Broadcast(rest.changes, rest.stopping)),
    ]
