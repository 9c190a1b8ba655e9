"""Command sets: group 0000, always implicit VR little endian (PS3.7 §6.3.1, Annex E).

One table lists the elements; both encoding and decoding use it.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any, NamedTuple

MAX_COMMAND = 1 << 16
"""Bytes of one command set; the largest the standard allows, N-GET with a full list, is far less."""

NO_DATA_SET = 0x0101  # PS3.7 §E.1, Command Data Set Type
_WITH_DATA_SET = 0x0001
_RESPONSE = 0x8000
_PROCESSING_FAILURE = 0x0110


class CommandField(IntEnum):
    """PS3.7 Table E.1-1, Command Field."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    C_CANCEL_RQ = 0x0FFF


class Priority(IntEnum):
    """PS3.7 Table E.1-1, Priority."""

    MEDIUM = 0x0000
    HIGH = 0x0001
    LOW = 0x0002


def message_ids() -> Iterator[int]:
    """1 to 65,535, over and over (PS3.7 §9.1)."""
    return (number % 0xFFFF + 1 for number in itertools.count())


class BadCommand(Exception):
    """The command set cannot be decoded."""


class Command(dict[str, Any]):
    """Keyword → value: `int` for US and UL, `str` for UI, AE and LO, a list of tags for AT."""

    @property
    def field(self) -> int:
        return int(self.get("CommandField", 0))

    @property
    def message_id(self) -> int:
        return int(self.get("MessageID", 0))

    @property
    def responds_to(self) -> int:
        return int(self.get("MessageIDBeingRespondedTo", 0))

    @property
    def is_response(self) -> bool:
        return bool(self.field & _RESPONSE)

    @property
    def status(self) -> int:
        """The status of a response; a missing one is not success."""
        return int(self.get("Status", _PROCESSING_FAILURE))

    @property
    def has_data_set(self) -> bool:
        return bool(self.get("CommandDataSetType", NO_DATA_SET) != NO_DATA_SET)


class _Coding(NamedTuple):
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _number(layout: str) -> _Coding:
    code = struct.Struct(layout)

    def decode(value: bytes) -> int:
        if len(value) < code.size:
            raise BadCommand("a number is too short")
        return int(code.unpack_from(value)[0])

    return _Coding(code.pack, decode)


def _text(padding: bytes, longest: int | None = None) -> _Coding:
    def encode(value: str) -> bytes:
        raw = value.encode("ascii", "replace")[:longest]
        return raw + padding if len(raw) % 2 else raw

    return _Coding(encode, lambda value: value.decode("latin-1").strip(" \0"))


def _encode_tags(tags: list[int]) -> bytes:
    return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)


def _decode_tags(value: bytes) -> list[int]:
    return [group << 16 | element for group, element in struct.iter_unpack("<HH", value[: len(value) & ~3])]


_US, _UL = _number("<H"), _number("<I")
_UI, _AE, _LO = _text(b"\0"), _text(b" "), _text(b" ", 64)
_AT = _Coding(_encode_tags, _decode_tags)

ELEMENTS: dict[int, tuple[str, _Coding]] = {
    0x0002: ("AffectedSOPClassUID", _UI),
    0x0003: ("RequestedSOPClassUID", _UI),
    0x0100: ("CommandField", _US),
    0x0110: ("MessageID", _US),
    0x0120: ("MessageIDBeingRespondedTo", _US),
    0x0600: ("MoveDestination", _AE),
    0x0700: ("Priority", _US),
    0x0800: ("CommandDataSetType", _US),
    0x0900: ("Status", _US),
    0x0901: ("OffendingElement", _AT),
    0x0902: ("ErrorComment", _LO),
    0x0903: ("ErrorID", _US),
    0x1000: ("AffectedSOPInstanceUID", _UI),
    0x1001: ("RequestedSOPInstanceUID", _UI),
    0x1002: ("EventTypeID", _US),
    0x1005: ("AttributeIdentifierList", _AT),
    0x1008: ("ActionTypeID", _US),
    0x1020: ("NumberOfRemainingSuboperations", _US),
    0x1021: ("NumberOfCompletedSuboperations", _US),
    0x1022: ("NumberOfFailedSuboperations", _US),
    0x1023: ("NumberOfWarningSuboperations", _US),
    0x1030: ("MoveOriginatorApplicationEntityTitle", _AE),
    0x1031: ("MoveOriginatorMessageID", _US),
}
_BY_KEYWORD = {keyword: (element, coding) for element, (keyword, coding) in ELEMENTS.items()}
_HEADER = struct.Struct("<HHI")


def encode(command: Command, with_data_set: bool = False) -> bytes:
    """The command set with its group length and Command Data Set Type."""
    command["CommandDataSetType"] = _WITH_DATA_SET if with_data_set else NO_DATA_SET
    elements = sorted((_BY_KEYWORD[keyword], value) for keyword, value in command.items())
    body = b""
    for (element, coding), value in elements:
        raw = coding.encode(value)
        body += _HEADER.pack(0, element, len(raw)) + raw
    return _HEADER.pack(0, 0, 4) + _UL.encode(len(body)) + body


def decode(data: bytes) -> Command:
    """`BadCommand` when it is not a command set; elements that the table lacks are ignored."""
    command = Command()
    position, end = 0, len(data)
    while position < end:
        if end - position < _HEADER.size:
            raise BadCommand("an element is cut off")
        group, element, length = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        if group or length > end - position:
            raise BadCommand("an element is not of group 0000 or is cut off")
        if element in ELEMENTS:
            keyword, coding = ELEMENTS[element]
            if length:
                command[keyword] = coding.decode(data[position : position + length])
        position += length
    if "CommandField" not in command:
        raise BadCommand("no Command Field")
    return command


def respond_to(request: Command, status: int) -> Command:
    """The elements that every service's response has in common (PS3.7 §9.3, §10.3)."""
    response = Command(
        CommandField=request.field | _RESPONSE,
        MessageIDBeingRespondedTo=request.message_id,
        Status=status,
    )
    for keyword in ("AffectedSOPClassUID", "AffectedSOPInstanceUID"):
        if keyword in request:
            response[keyword] = request[keyword]
    return response
