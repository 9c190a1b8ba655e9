"""The content of A-ASSOCIATE-RQ, -AC and -RJ (PS3.8 §9.3.2–9.3.4, PS3.7 Annex D.3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"  # PS3.7 Annex A.2.1
MAX_CONTEXTS = 128  # odd identifiers from 1 to 255, PS3.8 §9.3.2.2


@dataclass(frozen=True, slots=True)
class ProposedContext:
    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextResult:
    """`result`: 0 acceptance, 1 user rejection, 2 no reason, 3 abstract syntax, 4 transfer syntaxes."""

    id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Role:
    """SCP/SCU Role Selection (PS3.7 §D.3.3.4): the roles of the association's requestor."""

    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """PS3.7 §D.3.3.7. `kind`: 1 name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JSON Web Token.

    Passcodes and tickets are dropped while decoding, so that they cannot be logged or stored.
    """

    kind: int
    response_requested: bool
    name: str = ""


@dataclass(frozen=True, slots=True)
class UserInformation:
    """PS3.7 Annex D.3.3. `max_length` 0 means no limit (PS3.8 §D.1)."""

    max_length: int = 0
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    window: tuple[int, int] | None = None
    """Asynchronous Operations Window: invoked, performed; 0 means unlimited."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """SOP Class UID → Service Class Application Information."""
    identity: UserIdentity | None = None
    identity_response: bytes | None = None


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    called: str
    calling: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1
    returned: bytes = field(default=bytes(64), compare=False)
    """Both titles and the reserved bytes after them as received; the acceptance returns them unchanged."""


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    results: tuple[ContextResult, ...]
    user: UserInformation
    returned: bytes = field(default=bytes(64), compare=False)
    """Titles and reserved bytes of the request (PS3.8 Table 9-17)."""


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """PS3.8 Table 9-21. `result`: 1 permanent, 2 transient."""

    result: int
    source: int
    reason: int

    @property
    def cause(self) -> str:
        return _CAUSES.get((self.source, self.reason), "no reason given")


_CAUSES = {
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognised",
    (1, 7): "called AE title not recognised",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}

APPLICATION_CONTEXT_NOT_SUPPORTED = AssociateReject(1, 1, 2)
CALLING_NOT_RECOGNISED = AssociateReject(1, 1, 3)
CALLED_NOT_RECOGNISED = AssociateReject(1, 1, 7)
PROTOCOL_VERSION_NOT_SUPPORTED = AssociateReject(1, 2, 2)
TEMPORARY_CONGESTION = AssociateReject(2, 3, 1)
LOCAL_LIMIT_EXCEEDED = AssociateReject(2, 3, 2)
