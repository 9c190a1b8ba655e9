"""Peers that lie, stall or flood: refused or served inside bounds, and the others are unharmed."""

from __future__ import annotations

import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

from tests.conformance.idle import associate_and_hold
from tests.conformance.raw import send_bytes
from tests.conformance.senders import Modality
from tests.conformance.server import Server


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """Explicit VR Little Endian, with a length that may be a lie."""
    size = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in (b"SQ", b"OB", b"OW", b"UN"):
        return head + b"\0\0" + struct.pack("<L", size) + value
    return head + struct.pack("<H", size) + value


def identity(sop: str) -> bytes:
    def uid(text: str) -> bytes:
        return text.encode() + b"\0" * (len(text) % 2)

    return (
        element(0x00080016, b"UI", uid(CTImageStorage))
        + element(0x00080018, b"UI", uid(sop))
        + element(0x0020000D, b"UI", uid(generate_uid()))
        + element(0x0020000E, b"UI", uid(generate_uid()))
    )


def nested(depth: int) -> bytes:
    """A sequence in an item in a sequence …, all of undefined length."""
    start = element(0x00400275, b"SQ", b"", 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return start * depth + end * depth


def bomb(size: int) -> bytes:
    """Deflated, with a last element of `size` MiB of zeros: one that is flushed fully can be repeated."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = deflate.compress(identity(SOP) + element(0x00091010, b"UN", b"", size << 20))
    head += deflate.flush(zlib.Z_FULL_FLUSH)
    mebibyte = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return head + mebibyte * size + deflate.flush()


SOP = "1.2.826.0.1.3680043.10.1.1"
LIES = {
    "a last element longer than the stream": (
        identity(SOP) + element(0x00081030, b"LO", b"abc ", 0xFFF0),
        ExplicitVRLittleEndian,
    ),
    "a sequence that claims 4 GB": (
        identity(SOP) + element(0x00400275, b"SQ", b"\0" * 64, 0xFFFFFFF0) + identity(SOP),
        ExplicitVRLittleEndian,
    ),
    "nesting 300 deep": (identity(SOP) + nested(300), ExplicitVRLittleEndian),
    "nesting 100,000 deep": (identity(SOP) + nested(100_000), ExplicitVRLittleEndian),
    "a deflate bomb": (bomb(512), DeflatedExplicitVRLittleEndian),
    "no identity": (element(0x00081030, b"LO", b"nothing "), ExplicitVRLittleEndian),
    "another instance than announced": (identity("1.2.3"), ExplicitVRLittleEndian),
    "a UID that is a path": (identity("../../../etc/x"), ExplicitVRLittleEndian),
    "noise": (bytes(range(256)) * 64, ImplicitVRLittleEndian),
}


ENDS_EARLY = ("a last element longer than the stream", "a sequence that claims 4 GB")
"""Such objects are in every archive, cut off by some disk long ago: kept as sent, with a log line."""


@pytest.fixture
def modality(server: Server) -> Iterator[Modality]:
    """An honest sender beside the liar: it must be served before and after."""
    honest = Modality(server.dimse_port, generate_uid())
    honest.send(3)
    yield honest
    honest.send(3)
    assert len(honest.acknowledged) == 6
    assert not honest.refused


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused_or_bounded(server: Server, modality: Modality, lie: str) -> None:
    dataset, syntax = LIES[lie]
    status = send_bytes(server.dimse_port, (CTImageStorage, SOP, syntax), dataset)
    if lie in ENDS_EARLY:
        assert status is not None
    else:
        assert status not in (None, 0x0000), "stored, or no answer at all"
    assert server.memory() < 400 << 20


def test_slow_loris_is_cut_off(tmp_path: Path) -> None:
    """A request that arrives a byte at a time does not hold its thread past the ARTIM timer. The server is
    one of its own: other peers may take longer on a busy machine.
    """
    server = Server(tmp_path / "data", {"PACS_ARTIM_TIMEOUT": "1"})
    server.start()
    with socket.create_connection(("127.0.0.1", server.dimse_port), timeout=60) as peer:
        peer.sendall(b"\x01\x00\x00\x00\x10\x00")
        with pytest.raises(OSError):
            for _ in range(600):
                peer.sendall(b"\0")
                time.sleep(0.2)
    server.stop()


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096, b"\x04\x00\xff\xff\xff\xff"])
def test_garbage_is_aborted(server: Server, modality: Modality, garbage: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.dimse_port), timeout=120) as peer:
        peer.sendall(garbage)
        answer = b""
        try:
            while chunk := peer.recv(4096):
                answer += chunk
        except OSError:
            pass
        assert answer == b"" or answer[0] == 0x07


def test_hundreds_of_associations(server: Server, modality: Modality) -> None:
    """200 idle associations stand while new ones are served."""
    with associate_and_hold(server.dimse_port, 200) as held:
        assert held == 200
        parallel = [Modality(server.dimse_port, generate_uid()) for _ in range(4)]
        threads = [threading.Thread(target=one.send, args=(5,)) for one in parallel]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [len(one.acknowledged) for one in parallel] == [5] * 4
