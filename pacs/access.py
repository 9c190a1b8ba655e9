"""Which DICOM peer may do what: registered AEs from their host, any AE from this machine itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from pacs.actor import DEFAULT_ORGANIZATION
from pacs.errors import Unavailable
from pacs.network import ip_address
from pacs.ports import ApplicationEntities

RIGHTS = ("echo", "store", "find", "move", "get", "mwl")
"""What `pacs ae add --may` takes. `echo` needs no registration of its own; no service asks for `mwl` yet."""

LOOPBACK_RIGHTS = frozenset(RIGHTS)


@dataclass(frozen=True, slots=True)
class Peer:
    """An admitted calling AE."""

    title: str
    organization: int
    rights: frozenset[str]
    address: str

    def may(self, right: str) -> bool:
        return right == "echo" or right in self.rights


def addresses_of(host: str) -> frozenset[str]:
    """The IP addresses of a host name; empty when it has none, `Unavailable` when nobody can say now."""
    try:
        return frozenset(str(info[4][0]) for info in socket.getaddrinfo(host, None))
    except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            raise Unavailable("host names cannot be looked up now") from error
        return frozenset()


@dataclass(frozen=True, slots=True)
class Admission:
    """Decides on each association request. `called` None accepts any called AE title.

    A registered AE with a host is admitted from that host's addresses only. From loopback every title
    is admitted: a peer that connects from there already runs on this machine.
    """

    entities: ApplicationEntities
    called: str | None
    resolve: Callable[[str], frozenset[str]] = addresses_of

    def recognises_called(self, title: str) -> bool:
        return self.called is None or title == self.called

    def admit(self, calling: str, address: str) -> Peer | None:
        """None: the calling AE title is not recognised. `Unavailable`: it cannot be known now. `address` is
        the peer's IP address."""
        ip = ip_address(address)
        entity = self.entities.find(calling)
        if entity is None:
            known = Peer(calling, DEFAULT_ORGANIZATION, LOOPBACK_RIGHTS, address)
            return known if ip.is_loopback else None
        if entity.host and not ip.is_loopback and str(ip) not in self.resolve(entity.host):
            return None
        return Peer(entity.title, entity.organization, entity.rights, address)
