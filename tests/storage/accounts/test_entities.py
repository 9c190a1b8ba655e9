"""The registry of application entities, and the organisations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pacs.actor import system_actor
from pacs.errors import Conflict
from pacs.model import ApplicationEntity
from storage.accounts import organizations
from storage.accounts.entities import SqlApplicationEntities
from storage.database import Database
from tests.storage.world import actions, rows

ACTOR = system_actor("cli")
VIEWER = ApplicationEntity("VIEWER", 1, "viewer.example", 104, frozenset({"find", "move"}), tls=True)


def test_registered_found_listed_removed(database: Database) -> None:
    entities = SqlApplicationEntities(database)
    assert entities.find("VIEWER") is None
    entities.add(ACTOR, VIEWER)
    assert entities.find("VIEWER") == VIEWER
    bare = ApplicationEntity("BARE", 1, None, None)
    entities.add(ACTOR, bare)
    assert entities.all() == [bare, VIEWER]
    assert entities.remove(ACTOR, "VIEWER")
    assert not entities.remove(ACTOR, "VIEWER")
    assert entities.find("VIEWER") is None
    assert actions(database) == ["ae.add", "ae.add", "ae.remove"]


def test_a_title_is_registered_once(database: Database) -> None:
    entities = SqlApplicationEntities(database)
    entities.add(ACTOR, VIEWER)
    with pytest.raises(Conflict):
        entities.add(ACTOR, VIEWER)
    assert entities.all() == [VIEWER]


def test_what_becomes_of_a_peer_is_audited_in_its_own_organisation(database: Database) -> None:
    entities = SqlApplicationEntities(database)
    north = organizations.add(database, ACTOR, "north", "North Hospital").id
    entities.add(system_actor("cli", north), replace(VIEWER, organization=north))
    assert entities.remove(ACTOR, "VIEWER")
    audited = rows(database, "SELECT org_id, action FROM audit WHERE resource = 'VIEWER' ORDER BY seq")
    assert audited == [{"org_id": north, "action": "ae.add"}, {"org_id": north, "action": "ae.remove"}]


def test_what_others_register_is_seen_when_the_cache_is_old(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = SqlApplicationEntities(database), SqlApplicationEntities(database)
    assert here.find("VIEWER") is None
    elsewhere.add(ACTOR, VIEWER)
    assert here.find("VIEWER") is None
    monkeypatch.setattr("storage.accounts.entities.time.monotonic", lambda: 1e12)
    assert here.find("VIEWER") == VIEWER


def test_organisations(database: Database) -> None:
    made = organizations.add(database, ACTOR, "north", "North Hospital")
    assert organizations.find(database, "north") == made
    assert organizations.find(database, "south") is None
    assert [o.code for o in organizations.all_of(database)] == ["default", "north"]
    with pytest.raises(Conflict):
        organizations.add(database, ACTOR, "north", "Again")
