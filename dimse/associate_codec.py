"""A-ASSOCIATE-RQ, -AC and -RJ as bytes: a PDU's variable fields, after its header (PS3.8 §9.3).

Not pynetdicom's, which refuses a whole request because of one unknown item type; PS3.8 §9.3.1 requires
unknown items to be ignored.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from dimse.associate import (
    APPLICATION_CONTEXT,
    MAX_CONTEXTS,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ContextResult,
    ProposedContext,
    Role,
    UserIdentity,
    UserInformation,
)


class BadAssociate(Exception):
    """The A-ASSOCIATE PDU cannot be decoded."""


_FIXED = struct.Struct(">HH16s16s32x")
_ITEM = struct.Struct(">BxH")


def _item(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return _ITEM.pack(kind, len(body)) + body


def _uid(uid: str) -> bytes:
    return uid.encode("ascii", "replace")


def _counted(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _title(title: str) -> bytes:
    return title.encode("latin-1", "replace")[:16].ljust(16)


def _user_information(user: UserInformation) -> bytes:
    items = [
        _item(0x51, struct.pack(">I", user.max_length)),
        _item(0x52, _uid(user.implementation_class_uid)),
    ]
    if user.window is not None:
        items.append(_item(0x53, struct.pack(">HH", *user.window)))
    for uid, role in user.roles.items():
        items.append(_item(0x54, _counted(_uid(uid)), bytes((role.scu, role.scp))))
    if user.implementation_version_name:
        items.append(_item(0x55, _uid(user.implementation_version_name)))
    for uid, information in user.extended.items():
        items.append(_item(0x56, _counted(_uid(uid)), information))
    if user.identity is not None:
        head = bytes((user.identity.kind, user.identity.response_requested))
        items.append(_item(0x58, head, _counted(user.identity.name.encode()), _counted(b"")))
    if user.identity_response is not None:
        items.append(_item(0x59, _counted(user.identity_response)))
    return _item(0x50, *items)


def encode_request(request: AssociateRequest) -> bytes:
    contexts = (
        _item(
            0x20,
            bytes((context.id, 0, 0, 0)),
            _item(0x30, _uid(context.abstract_syntax)),
            *(_item(0x40, _uid(syntax)) for syntax in context.transfer_syntaxes),
        )
        for context in request.contexts
    )
    return b"".join(
        (
            _FIXED.pack(request.protocol_version, 0, _title(request.called), _title(request.calling)),
            _item(0x10, _uid(request.application_context)),
            *contexts,
            _user_information(request.user),
        )
    )


def encode_accept(accept: AssociateAccept) -> bytes:
    results = (
        _item(0x21, bytes((result.id, 0, result.result, 0)), _item(0x40, _uid(result.transfer_syntax)))
        for result in accept.results
    )
    return b"".join(
        (
            struct.pack(">HH64s", 1, 0, accept.returned),
            _item(0x10, _uid(APPLICATION_CONTEXT)),
            *results,
            _user_information(accept.user),
        )
    )


def encode_reject(reject: AssociateReject) -> bytes:
    return bytes((0, reject.result, reject.source, reject.reason))


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        if len(data) - position < _ITEM.size:
            raise BadAssociate("an item is cut off")
        kind, length = _ITEM.unpack_from(data, position)
        position += _ITEM.size
        if length > len(data) - position:
            raise BadAssociate("an item is longer than what holds it")
        yield kind, data[position : position + length]
        position += length


def _text(data: bytes) -> str:
    """A UID or title, without the padding that some peers add against the standard."""
    return data.decode("latin-1").strip(" \0")


def _decode_title(data: bytes) -> str:
    """An AE title is printable and has no backslash (PS3.5 §6.2); other characters become `?`."""
    return _printable(_text(data))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() and c != "\\" else "?" for c in text)


def _leading(data: bytes) -> tuple[bytes, bytes]:
    """A value preceded by its length, and the bytes after it."""
    length = int.from_bytes(_at_least(data, 2)[:2], "big")
    _at_least(data, 2 + length)
    return data[2 : 2 + length], data[2 + length :]


def _leading_uid(data: bytes) -> tuple[str, bytes]:
    value, rest = _leading(data)
    return _text(value), rest


def _at_least(data: bytes, length: int) -> bytes:
    if len(data) < length:
        raise BadAssociate("a sub-item is cut off")
    return data


def _fixed(data: bytes) -> tuple[int, str, str]:
    version, _, called, calling = _FIXED.unpack_from(_at_least(data, _FIXED.size))
    return version, _decode_title(called), _decode_title(calling)


def _proposed(data: bytes) -> ProposedContext:
    _at_least(data, 4)
    abstract, transfers = "", []
    for kind, value in _items(data[4:]):
        if kind == 0x30:
            abstract = _text(value)
        elif kind == 0x40:
            transfers.append(_text(value))
    return ProposedContext(data[0], abstract, tuple(transfers))


def _result(data: bytes) -> ContextResult:
    _at_least(data, 4)
    syntaxes = [_text(value) for kind, value in _items(data[4:]) if kind == 0x40]
    return ContextResult(data[0], data[2], syntaxes[0] if syntaxes else "")


def _identity(data: bytes) -> UserIdentity:
    _at_least(data, 4)
    primary, _ = _leading(data[2:])
    name = _printable(primary.decode("utf-8", "replace")) if data[0] in (1, 2) else ""
    return UserIdentity(data[0], data[1] == 1, name)


def _role(data: bytes) -> tuple[str, Role]:
    uid, flags = _leading_uid(data)
    _at_least(flags, 2)
    return uid, Role(flags[0] == 1, flags[1] == 1)


def _decode_user_information(data: bytes) -> UserInformation:
    found: dict[str, object] = {}
    roles: dict[str, Role] = {}
    extended: dict[str, bytes] = {}
    for kind, value in _items(data):
        if kind == 0x54:
            uid, role = _role(value)
            roles[uid] = role
        elif kind == 0x56:
            uid, information = _leading_uid(value)
            extended[uid] = information
        elif kind in _USER_ITEMS:
            keyword, decode = _USER_ITEMS[kind]
            found[keyword] = decode(value)
    return UserInformation(roles=roles, extended=extended, **found)  # type: ignore[arg-type]  # see `_USER_ITEMS`


_USER_ITEMS: dict[int, tuple[str, Callable[[bytes], object]]] = {
    0x51: ("max_length", lambda data: int.from_bytes(_at_least(data, 4)[:4], "big")),
    0x52: ("implementation_class_uid", _text),
    0x53: ("window", lambda data: struct.unpack_from(">HH", _at_least(data, 4))),
    0x55: ("implementation_version_name", _text),
    0x58: ("identity", _identity),
    0x59: ("identity_response", lambda data: _at_least(data, 2)[2:]),
}


def decode_request(data: bytes) -> AssociateRequest:
    """`BadAssociate` when the items do not fit together; unknown items are ignored (PS3.8 §9.3.1)."""
    version, called, calling = _fixed(data)
    application_context, contexts, user = "", [], UserInformation()
    for kind, value in _items(data[_FIXED.size :]):
        if kind == 0x10:
            application_context = _text(value)
        elif kind == 0x20:
            contexts.append(_proposed(value))
        elif kind == 0x50:
            user = _decode_user_information(value)
    if len(contexts) > MAX_CONTEXTS:
        raise BadAssociate("more than 128 presentation contexts")
    return AssociateRequest(
        called, calling, tuple(contexts), user, application_context, version, data[4 : _FIXED.size]
    )


def decode_accept(data: bytes) -> AssociateAccept:
    results, user = [], UserInformation()
    for kind, value in _items(_at_least(data, _FIXED.size)[_FIXED.size :]):
        if kind == 0x21:
            results.append(_result(value))
        elif kind == 0x50:
            user = _decode_user_information(value)
    return AssociateAccept(tuple(results), user, data[4 : _FIXED.size])


def decode_reject(data: bytes) -> AssociateReject:
    _at_least(data, 4)
    return AssociateReject(data[1], data[2], data[3])
