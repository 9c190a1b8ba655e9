"""What a peer names as Move Destination is looked up only if it can be an AE title."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dimse.command import Command
from dimse.services.move import Outbound, serve
from pacs.actor import Actor
from pacs.errors import UnknownDestination
from pacs.model import ApplicationEntity


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


def entity(**changes: Any) -> ApplicationEntity:
    known = {
        "title": "A",
        "organization": 1,
        "host": "10.0.0.5",
        "port": 104,
        "rights": frozenset(),
        "tls": False,
    }
    return ApplicationEntity(**{**known, **changes})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, UnknownDestination.__doc__),
        (entity(organization=2), UnknownDestination.__doc__),
        (entity(organization=2, host=None), UnknownDestination.__doc__),
        (entity(host=None), "registered without host and port"),
    ],
)
def test_one_of_another_organisation_is_as_unknown_as_none(
    found: ApplicationEntity | None, words: str
) -> None:
    operation: Any = SimpleNamespace(
        request=Command(MoveDestination="A"), actor=Actor(1, "ae", "CT1", "10.0.0.7", "abc")
    )
    entities: Any = SimpleNamespace(find=lambda title: found)
    sending: Any = None
    with pytest.raises(UnknownDestination, match=words):
        serve(operation, sending, Outbound(entities, "PACS"))
