"""What a peer names as Move Destination is looked up only if it can be an AE title."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dimse.command import Command
from dimse.services.move import Outbound, serve
from pacs.errors import UnknownDestination


@pytest.mark.parametrize(
    ("title", "asked"), [("A", ["A"]), ("", []), ("A\0B", []), ("A\nB", []), ("A" * 17, [])]
)
def test_only_titles_are_looked_up(title: str, asked: list[str]) -> None:
    names: list[str] = []
    entities: Any = SimpleNamespace(find=names.append)
    operation: Any = SimpleNamespace(request=Command(MoveDestination=title))
    sending: Any = None
    with pytest.raises(UnknownDestination):
        serve(operation, sending, Outbound(entities, "PACS"))
    assert names == asked
