"""HOST:PORT: `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:0` (0: any free port)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pacs.network import is_loopback

_TYPED = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]\s]+)):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        match = _TYPED.fullmatch(text.strip())
        if match is None or int(match["port"]) > 65535:
            raise ValueError("must be HOST:PORT, such as 127.0.0.1:8080")
        return cls(match["v6"] or match["host"], int(match["port"]))

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def reachable_host(self) -> str:
        """The host under which a program on this machine reaches the address."""
        if self.is_loopback or self.host in ("0.0.0.0", "::"):
            return "localhost"
        return self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
