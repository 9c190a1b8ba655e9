"""Command sets there and back, as pydicom reads them, and broken."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import keyword_for_tag
from pydicom.filereader import read_dataset

from dimse.command import ELEMENTS, BadCommand, Command, CommandField, decode, encode, respond_to

COMMANDS = [
    Command(CommandField=CommandField.C_ECHO_RQ, MessageID=7, AffectedSOPClassUID="1.2.840.10008.1.1"),
    Command(
        CommandField=CommandField.C_STORE_RQ,
        MessageID=65535,
        Priority=2,
        AffectedSOPClassUID="1.2.3",
        AffectedSOPInstanceUID="1.2.3.4",
        MoveOriginatorApplicationEntityTitle="ORIGIN",
        MoveOriginatorMessageID=3,
    ),
    Command(
        CommandField=CommandField.C_MOVE_RSP,
        MessageIDBeingRespondedTo=1,
        Status=0xB000,
        NumberOfRemainingSuboperations=0,
        NumberOfCompletedSuboperations=3,
        ErrorComment="odd",
        OffendingElement=[0x00100010, 0x0020000D],
    ),
]


@pytest.mark.parametrize("with_data_set", [True, False])
@pytest.mark.parametrize("command", COMMANDS)
def test_there_and_back(command: Command, with_data_set: bool) -> None:
    decoded = decode(encode(Command(command), with_data_set))
    assert decoded.has_data_set is with_data_set
    assert {key: decoded[key] for key in command} == command


@pytest.mark.parametrize("command", COMMANDS)
def test_as_pydicom_reads_it(command: Command) -> None:
    encoded = encode(Command(command))
    theirs = read_dataset(io.BytesIO(encoded), is_implicit_VR=True, is_little_endian=True)
    assert theirs.CommandGroupLength == len(encoded) - 12
    for keyword, value in command.items():
        found = theirs[keyword].value
        assert (list(found) if isinstance(value, list) else found) == value


def test_a_comment_is_as_long_as_one_may_be() -> None:
    command = Command(CommandField=CommandField.C_STORE_RSP, ErrorComment="c" * 65)
    assert decode(encode(command))["ErrorComment"] == "c" * 64


def test_the_tables_keywords_are_the_standards() -> None:
    for element, (keyword, _) in ELEMENTS.items():
        assert keyword_for_tag(element) == keyword


def test_unknown_and_empty_elements_are_passed_over() -> None:
    strange = b"\0\0\x00\x02\x04\0\0\0abcd" + b"\0\0\x00\x06\0\0\0\0"
    assert decode(encode(Command(CommandField=0x30)) + strange).field == 0x30


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\x00\x01\x02\0\0",
        b"\0\0\x00\x01\x02\0\0\0",
        b"\0\0\x00\x01\x01\0\0\0\x30",
        b"\x08\0\x16\0\x02\0\0\0ab",
        b"\0\0\x00\x01\xff\xff\xff\xffab",
        encode(Command(MessageID=1)),
    ],
)
def test_what_is_no_command_is_refused(data: bytes) -> None:
    with pytest.raises(BadCommand):
        decode(data)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_command_or_refused(data: bytes) -> None:
    try:
        decode(b"\0\0\x00\x01\x02\0\0\0\x30\0" + data)
    except BadCommand:
        return


def test_a_response_says_what_it_responds_to() -> None:
    response = respond_to(COMMANDS[1], 0xA700)
    assert (response.field, response.responds_to, response.status) == (0x8001, 65535, 0xA700)
    assert response["AffectedSOPInstanceUID"] == "1.2.3.4"


def test_a_response_without_status_is_no_success() -> None:
    assert decode(encode(Command(CommandField=CommandField.C_STORE_RSP))).status != 0
