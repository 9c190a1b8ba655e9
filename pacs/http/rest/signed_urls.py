"""Signed URLs: they return one object without a token for a limited time.

The signature covers the object, its organisation, the expiry time and the user who issued the URL.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.requests import Request

from pacs.actor import Actor
from pacs.errors import Forbidden

LONGEST = 7 * 24 * 3600  # seconds


class BadSignature(Forbidden):
    """The URL was altered or has expired; ask for a new one."""

    code = "BAD_SIGNATURE"


@dataclass(frozen=True, slots=True)
class Signer:
    """`key`: the installation's secret, from which the key of this purpose is derived.

    `trusts`: whether the user who issued the URL is still active; otherwise it is void.
    """

    key: str = field(repr=False)
    trusts: Callable[[Actor], bool]

    def sign(self, path: str, who: Actor, seconds: int) -> str:
        """The query string that opens `path`."""
        until = int(time.time()) + seconds
        given = {"expires": str(until), "organization": str(who.organization), "by": who.name}
        return urlencode({**given, "signature": self._signature(path, given)})

    def verified(self, request: Request, path: str, parameters: Mapping[str, str]) -> Actor:
        """The user who issued the URL, on whose behalf it is answered; `BadSignature`."""
        given = {name: parameters.get(name, "") for name in ("expires", "organization", "by")}
        signature = parameters.get("signature", "")
        if not hmac.compare_digest(signature.encode(), self._signature(path, given).encode()):
            raise BadSignature
        if not re.fullmatch(r"\d{1,12}", given["expires"], re.ASCII) or int(given["expires"]) < time.time():
            raise BadSignature
        address = request.client.host if request.client else ""
        number = request.state.correlation_id
        giver = Actor(int(given["organization"]), "user", given["by"], address, number)
        if not self.trusts(giver):
            raise BadSignature
        return giver

    def _signature(self, path: str, given: dict[str, str]) -> str:
        key = hmac.new(self.key.encode(), b"signed address", hashlib.sha256).digest()
        return hmac.new(key, urlencode({"path": path, **given}).encode(), hashlib.sha256).hexdigest()
