"""Negotiating presentation contexts and options: a pure function from the proposal to the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dimse import sop_classes
from dimse.associate import (
    APPLICATION_CONTEXT,
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    ProposedContext,
    Role,
    UserInformation,
)
from pacs.dicom.encoding import UNCOMPRESSED
from pacs.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pacs.dicom.transfer_syntaxes import IMPLICIT_LITTLE
from pacs.ingest import is_uid

IDENTIFIER_SYNTAXES = frozenset(UNCOMPRESSED)
_ACCEPTANCE, _NO_ABSTRACT_SYNTAX, _NO_TRANSFER_SYNTAX = 0, 3, 4


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context. The roles are ours: `is_scp`, `is_scu`."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    is_scp: bool = True
    is_scu: bool = False


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """SOP Class Extended Negotiation of query and retrieve (PS3.4 §C.4.1.3.1, §C.5.1.1)."""

    relational: bool = False
    date_time: bool = False
    fuzzy: bool = False
    timezone: bool = False

    @classmethod
    def from_bytes(cls, information: bytes) -> QueryOptions:
        return cls(*(flag == 1 for flag in information[:4]))

    def to_bytes(self) -> bytes:
        return bytes((self.relational, self.date_time, self.fuzzy, self.timezone))

    def __and__(self, other: QueryOptions) -> QueryOptions:
        return QueryOptions.from_bytes(
            bytes(a & b for a, b in zip(self.to_bytes(), other.to_bytes(), strict=True))
        )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this archive accepts. `options`: SOP class → options of extended negotiation."""

    sop_classes: frozenset[str]
    unknown_storage_classes: bool
    window: int
    max_length: int
    options: Mapping[str, QueryOptions]

    def is_storage(self, abstract_syntax: str) -> bool:
        if abstract_syntax in sop_classes.STORAGE:
            return abstract_syntax in self.sop_classes
        unknown = is_uid(abstract_syntax) and not sop_classes.is_known(abstract_syntax)
        return self.unknown_storage_classes and unknown

    @property
    def retrieves(self) -> bool:
        """Whether C-GET is served: the peer may then take the SCP role of storage classes."""
        return not self.sop_classes.isdisjoint(sop_classes.GET)


@dataclass(frozen=True, slots=True)
class Negotiated:
    accept: AssociateAccept
    contexts: Mapping[int, Context]
    options: Mapping[str, QueryOptions]
    window: int
    """Operations the peer may have outstanding."""


def negotiate(request: AssociateRequest, ours: Capabilities) -> Negotiated | AssociateReject:
    """PS3.7 Annex D.3. Authorisation of the caller is `pacs.access`."""
    if not request.protocol_version & 1:
        return PROTOCOL_VERSION_NOT_SUPPORTED
    if request.application_context != APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_NOT_SUPPORTED
    roles = {uid: _role(uid, role, ours) for uid, role in request.user.roles.items()}
    results, contexts = [], {}
    for proposed in {c.id: c for c in reversed(request.contexts)}.values():
        result = _result(proposed, ours)
        results.append(result)
        if result.result == _ACCEPTANCE:
            contexts[result.id] = _context(proposed, result, roles)
    results.sort(key=lambda result: result.id)
    options = _options(request.user.extended, ours)
    window = _window(request.user.window, ours.window)
    identity = request.user.identity
    user = UserInformation(
        max_length=ours.max_length,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        window=window,
        roles=roles,
        extended={
            uid: option.to_bytes()[: len(request.user.extended[uid])] for uid, option in options.items()
        },
        identity_response=b"" if identity and identity.response_requested else None,
    )
    accept = AssociateAccept(tuple(results), user, request.returned)
    return Negotiated(accept, contexts, options, window[0] if window else 1)


def _result(proposed: ProposedContext, ours: Capabilities) -> ContextResult:
    """The sender's preference decides the transfer syntax, as objects are stored as sent."""
    if ours.is_storage(proposed.abstract_syntax):
        usable = [syntax for syntax in proposed.transfer_syntaxes if is_uid(syntax)]
    elif proposed.abstract_syntax in ours.sop_classes:
        usable = [syntax for syntax in proposed.transfer_syntaxes if syntax in IDENTIFIER_SYNTAXES]
    else:
        return ContextResult(proposed.id, _NO_ABSTRACT_SYNTAX, IMPLICIT_LITTLE)
    if not usable:
        return ContextResult(proposed.id, _NO_TRANSFER_SYNTAX, IMPLICIT_LITTLE)
    return ContextResult(proposed.id, _ACCEPTANCE, usable[0])


def _role(uid: str, proposed: Role, ours: Capabilities) -> Role:
    """The requestor may be SCP only of storage classes, for C-GET."""
    return Role(scu=proposed.scu, scp=proposed.scp and ours.retrieves and ours.is_storage(uid))


def _context(proposed: ProposedContext, result: ContextResult, roles: Mapping[str, Role]) -> Context:
    role = roles.get(proposed.abstract_syntax, Role(scu=True, scp=False))
    return Context(
        proposed.id, proposed.abstract_syntax, result.transfer_syntax, is_scp=role.scu, is_scu=role.scp
    )


def _options(extended: Mapping[str, bytes], ours: Capabilities) -> dict[str, QueryOptions]:
    return {
        uid: QueryOptions.from_bytes(information) & ours.options[uid]
        for uid, information in extended.items()
        if uid in ours.options
    }


def _window(asked: tuple[int, int] | None, ours: int) -> tuple[int, int] | None:
    """0 asks for no limit (PS3.7 §D.3.3.3). We ourselves never have two operations outstanding."""
    if asked is None:
        return None
    return min(asked[0] or ours, ours), 1


def as_requestor(proposed: Iterable[ProposedContext], accept: AssociateAccept) -> tuple[Context, ...]:
    """The proposed contexts that the peer accepted, with us as SCU."""
    abstract_syntaxes = {context.id: context for context in proposed}
    return tuple(
        Context(result.id, abstract_syntaxes[result.id].abstract_syntax, result.transfer_syntax, False, True)
        for result in accept.results
        if result.result == _ACCEPTANCE
        and result.id in abstract_syntaxes
        and result.transfer_syntax in abstract_syntaxes[result.id].transfer_syntaxes
    )
