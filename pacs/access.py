"""Which DICOM peer may do what (contract: registered AEs anywhere, unregistered from loopback)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from pacs.actor import DEFAULT_ORGANIZATION
from pacs.ports import ApplicationEntities

RIGHTS = ("echo", "store", "find", "move", "get", "mwl")
"""What `pacs ae add --may` takes. `echo` needs no registration of its own."""

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


@dataclass(frozen=True, slots=True)
class Admission:
    """Decides on each association request. `called` None accepts any called AE title."""

    entities: ApplicationEntities
    called: str | None

    def recognises_called(self, title: str) -> bool:
        return self.called is None or title == self.called

    def admit(self, calling: str, address: str) -> Peer | None:
        """None: the calling AE title is not recognised. `address` is the peer's IP address."""
        entity = self.entities.find(calling)
        if entity is not None:
            return Peer(entity.title, entity.organization, entity.rights, address)
        if ipaddress.ip_address(address.split("%")[0]).is_loopback:
            return Peer(calling, DEFAULT_ORGANIZATION, LOOPBACK_RIGHTS, address)
        return None
