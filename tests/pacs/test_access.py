"""A calling AE is admitted when it is registered and comes from its host, or from loopback."""

from __future__ import annotations

import socket

import pytest

from pacs.access import Admission, Peer, addresses_of
from pacs.errors import Unavailable
from pacs.model import ApplicationEntity

CT = ApplicationEntity("CT1", 7, "ct1.example", 104, frozenset({"store"}))
ROAMING = ApplicationEntity("LAPTOP", 7, None, None, frozenset({"find"}))


class Registry:
    def find(self, title: str) -> ApplicationEntity | None:
        return {entity.title: entity for entity in self.all()}.get(title)

    def all(self) -> list[ApplicationEntity]:
        return [CT, ROAMING]


ADMISSION = Admission(Registry(), "PACS", resolve=lambda host: frozenset({"10.0.0.5"}))


@pytest.mark.parametrize(
    ("calling", "address", "organization"),
    [
        ("CT1", "10.0.0.5", 7),
        ("CT1", "::ffff:10.0.0.5", 7),
        ("CT1", "10.0.0.6", None),
        ("CT1", "127.0.0.1", 7),
        ("LAPTOP", "10.9.9.9", 7),
        ("STORESCU", "127.0.0.1", 1),
        ("STORESCU", "::1", 1),
        ("STORESCU", "10.0.0.5", None),
        ("ct1", "10.0.0.5", None),
    ],
)
def test_admit(calling: str, address: str, organization: int | None) -> None:
    peer = ADMISSION.admit(calling, address)
    assert (peer.organization if peer else None) == organization


def test_rights_are_those_registered_and_echo_is_everyones() -> None:
    peer = ADMISSION.admit("CT1", "10.0.0.5")
    assert isinstance(peer, Peer)
    assert [peer.may(right) for right in ("echo", "store", "find", "move")] == [True, True, False, False]


def test_called_title() -> None:
    assert ADMISSION.recognises_called("PACS")
    assert not ADMISSION.recognises_called("OTHER")
    assert Admission(Registry(), None).recognises_called("OTHER")


@pytest.mark.parametrize("host", ["pacs..example", "x" * 70])
def test_what_cannot_be_a_name_has_no_address(host: str) -> None:
    assert addresses_of(host) == frozenset()


def test_a_name_server_that_is_away_is_no_refusal_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told "calling AE title not recognised" gives up; who is told of congestion comes again."""

    def away(host: str, port: None) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", away)
    admission = Admission(Registry(), "PACS")
    with pytest.raises(Unavailable):
        admission.admit("CT1", "10.0.0.5")
    assert admission.admit("STRANGER", "10.0.0.5") is None
