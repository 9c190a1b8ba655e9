"""The route table of the application, as it is composed: what the tests of access go through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute, Mount, Route

from config.compose import compose, prepare
from config.compose_http import http_app
from config.settings import Settings
from pacs.http.resource import Public, Resource
from pacs.rights import Right

_PARAMETER = re.compile(r"{([^:}]+)(?::[^}]*)?}")


@dataclass(frozen=True)
class Listed:
    path: str
    method: str
    public: bool
    right: Right | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    def filled(self, values: Mapping[str, str]) -> str:
        """The path with a value for each parameter; `1` for those nobody names."""
        return _PARAMETER.sub(lambda found: values.get(found[1], "1"), self.path)


def table(folder: Path) -> list[Listed]:
    """Every route and method of a fresh installation in `folder`; HEAD goes with GET."""
    settings = Settings.model_validate({"data_dir": folder})
    prepare(settings)
    with compose(settings) as installation:
        return list(_listed(http_app(installation, lambda: False).routes, ""))


def _listed(routes: Iterable[BaseRoute], prefix: str) -> Iterator[Listed]:
    for route in routes:
        if isinstance(route, Mount):
            yield from _listed(route.routes, prefix + route.path)
            continue
        assert isinstance(route, Route), f"{route} is of a kind that nobody guards"
        assert isinstance(route, Public | Resource), f"{route.path} says neither who may nor that all may"
        right = route.right if isinstance(route, Resource) else None
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield Listed(prefix + route.path, method, isinstance(route, Public), right)
