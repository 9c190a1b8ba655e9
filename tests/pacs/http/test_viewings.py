"""What counts as one access."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from pacs.actor import Actor
from pacs.errors import DatabaseUnavailable
from pacs.http import viewings
from pacs.http.viewings import WINDOW, Viewings


def _request(name: str = "reader", organization: int = 1, method: str = "GET") -> Request:
    who = Actor(organization, "user", name, "127.0.0.1", "1" * 16)
    return Request({"type": "http", "method": method, "headers": [], "state": {"actor": who}})


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.records = 0
        self.viewings = Viewings(lambda: self.now)

    def look(self, study: str = "1.2", **who: Any) -> int:
        self.viewings.note(_request(**who), study, self.record)
        return self.records

    def record(self) -> None:
        self.records += 1


def test_a_minute_is_one_access() -> None:
    world = World()
    assert [world.look(), world.look()] == [1, 1]
    world.now += WINDOW
    assert [world.look(), world.look()] == [2, 2]


def test_another_study_another_caller_another_organisation() -> None:
    world = World()
    world.look()
    assert [world.look("1.3"), world.look(name="other"), world.look(organization=2)] == [2, 3, 4]


def test_asking_for_the_header_is_none() -> None:
    world = World()
    assert [world.look(method="HEAD"), world.look()] == [0, 1]


def test_what_could_not_be_recorded_is_not_known() -> None:
    world = World()

    def fails() -> None:
        raise DatabaseUnavailable

    with pytest.raises(DatabaseUnavailable):
        world.viewings.note(_request(), "1.2", fails)
    assert world.look() == 1


def test_no_more_is_remembered_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewings, "MAX_REMEMBERED", 1)
    world = World()
    assert [world.look(), world.look("1.3"), world.look("1.3"), world.look()] == [1, 2, 3, 3]
