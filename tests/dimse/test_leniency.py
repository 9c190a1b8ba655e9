"""What peers send that the standard does not foresee, or leaves to be ignored, and that must end nothing."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dimse.associate import ProposedContext
from dimse.associate_codec import encode_request
from dimse.command import encode
from dimse.pdu import PduType, frame
from tests.dimse.wire import VERIFICATION, Wire, echo_command, request, store_command
from tests.dimse.world import CT_IMAGE_STORAGE, EXPLICIT, World, running

ECHO = encode(echo_command(1))
DATA = bytes(range(251))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running(called="PACS") as started:
        yield started


def pdv(data: bytes, control: int, context_id: int = 1) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def p_data(*pdvs: bytes) -> bytes:
    return frame(PduType.P_DATA_TF, b"".join(pdvs))


BYTES = [pdv(ECHO[at : at + 1], 1 if at < len(ECHO) - 1 else 3) for at in range(len(ECHO))]
COMMANDS = {
    "a PDU for each byte": b"".join(map(p_data, BYTES)),
    "a PDV for each byte": p_data(*BYTES),
    "an empty last fragment": p_data(pdv(ECHO, 1)) + p_data(pdv(b"", 3)),
    "a PDU without PDVs": p_data() + p_data(pdv(ECHO, 3)),
    "reserved bits and bytes": b"\4\xff" + p_data(pdv(ECHO, 0xFF))[2:],
    "no group length": p_data(pdv(ECHO[12:], 3)),
    "a wrong group length": p_data(pdv(ECHO[:8] + b"\xff\xff\xff\xff" + ECHO[12:], 3)),
    "a retired element": p_data(pdv(ECHO[:12] + struct.pack("<HHII", 0, 1, 4, 86) + ECHO[12:], 3)),
}


@pytest.mark.parametrize("sent", COMMANDS.values(), ids=COMMANDS)
def test_forms_of_a_command(world: World, sent: bytes) -> None:
    with Wire(world.port) as wire:
        wire.associate()
        wire.send(sent)
        assert wire.response().status == 0
        assert wire.echo(2) == 0
        wire.release()


@pytest.mark.parametrize("size", [1, 3, 250, 251])
def test_fragments_of_odd_lengths(world: World, size: int) -> None:
    world.archive.kept.clear()
    pieces = [DATA[at : at + size] for at in range(0, len(DATA), size)]
    with Wire(world.port) as wire:
        wire.associate()
        wire.send(p_data(pdv(encode(store_command(), True), 3, 3)))
        for number, piece in enumerate(pieces, 1):
            wire.send(p_data(pdv(piece, 2 if number == len(pieces) else 0, 3)))
        assert wire.response().status == 0
    assert world.archive.kept[0].data_set == DATA


REQUEST = encode_request(request())
ITEMS = REQUEST.index(b"\x10\0", 68)
USER = REQUEST.index(b"\x50\0", ITEMS)


def _titles(called: bytes) -> bytes:
    return REQUEST[:4] + called.ljust(16, b"\0") + REQUEST[20:]


REQUESTS = {
    "every version": b"\xff\xff" + REQUEST[2:],
    "reserved bytes": REQUEST[:2] + b"\xff\xff" + REQUEST[4:36] + b"\xff" * 32 + REQUEST[68:],
    "a title with NUL": _titles(b"PACS"),
    "a title with spaces in front": _titles(b" PACS "),
    "a padded application context": encode_request(
        replace(request(), application_context="1.2.840.10008.3.1.1.1\0")
    ),
    "no user information": REQUEST[:USER],
    "an unknown item": REQUEST + b"\x77\0\0\2ab",
    "even context ids": encode_request(
        request(
            [ProposedContext(1, VERIFICATION, (EXPLICIT,)), ProposedContext(4, CT_IMAGE_STORAGE, (EXPLICIT,))]
        )
    ),
    "an id twice": encode_request(
        request(
            [ProposedContext(1, VERIFICATION, (EXPLICIT,)), ProposedContext(1, CT_IMAGE_STORAGE, (EXPLICIT,))]
        )
    ),
}


@pytest.mark.parametrize("sent", REQUESTS.values(), ids=REQUESTS)
def test_forms_of_a_request(world: World, sent: bytes) -> None:
    with Wire(world.port) as wire:
        wire.send(b"\1\xff" + frame(PduType.A_ASSOCIATE_RQ, sent)[2:])
        assert wire.pdu()[0] == PduType.A_ASSOCIATE_AC
        assert wire.echo() == 0


@pytest.mark.parametrize("body", [b"", b"\xff" * 4, bytes(10)], ids=["empty", "reserved bytes", "long"])
def test_forms_of_a_release(world: World, body: bytes) -> None:
    with Wire(world.port) as wire:
        wire.associate()
        wire.send(frame(PduType.A_RELEASE_RQ, body))
        assert wire.pdu() == (PduType.A_RELEASE_RP, bytes(4))


def test_one_that_sends_no_more_still_hears_its_answers(world: World) -> None:
    with Wire(world.port) as wire:
        wire.associate()
        wire.ask(3, store_command(), DATA)
        wire.ask(1, echo_command(2))
        wire.send(frame(PduType.A_RELEASE_RQ))
        wire.socket.shutdown(socket.SHUT_WR)
        assert [wire.response().status for _ in range(2)] == [0, 0]
        assert wire.pdu()[0] == PduType.A_RELEASE_RP
