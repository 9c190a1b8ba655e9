"""Ten objects of 1 GB at once, made while they are sent: memory of all our processes together."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from bench import data
from bench.peers import Peer
from bench.setting import Setting, table
from bench.wire import PDU_LENGTH, Association, element

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
SENDERS, SIZE = 10, 1 << 30
MIB = 1 << 20


def run(setting: Setting) -> None:
    size = setting.scaled(SIZE // PDU_LENGTH) * PDU_LENGTH
    with setting.ours() as peer:
        time.sleep(5)  # let the start settle
        rest = peer.memory()
        begin = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as pool:
            sending = [pool.submit(_send, peer, number, size) for number in range(SENDERS)]
            peaks = list(_peaks(peer, sending))
            statuses = [future.result() for future in sending]
        seconds = time.perf_counter() - begin
    if any(statuses):
        raise RuntimeError(f"not every object was stored: {[hex(status) for status in statuses]}")
    name = f"{SENDERS} × {size / MIB:.0f} MiB in {seconds:.0f} s"
    rows = [["at rest", *_mib(rest)], [name, *_mib((max(p for p, _ in peaks), max(r for _, r in peaks)))]]
    print(table(["ours, all processes", "PSS", "RSS"], rows))


def _peaks(peer: Peer, sending: list[Future[int]]) -> Iterator[tuple[int, int]]:
    yield peer.memory()
    while not all(future.done() for future in sending):
        yield peer.memory()
        time.sleep(0.2)


def _mib(memory: tuple[int, int]) -> list[str]:
    return [f"{size / MIB:.0f} MiB" for size in memory]


def _send(peer: Peer, number: int, size: int) -> int:
    with Association(("127.0.0.1", peer.port), peer.aet, ENHANCED_CT) as association:
        instance = data.uid(number, 1, 1)
        return association.store(instance, _object(data.Study(number), instance, size))


def _object(study: data.Study, instance: str, size: int) -> Iterator[bytes]:
    """A data set of few attributes whose Pixel Data has `size` bytes, unlike every other object's."""
    values = [
        (0x0008, 0x0016, ENHANCED_CT),
        (0x0008, 0x0018, instance),
        (0x0008, 0x0020, study.date),
        (0x0008, 0x0060, "CT"),
        (0x0010, 0x0010, "Big^Object"),
        (0x0010, 0x0020, study.patient_id),
        (0x0020, 0x000D, study.uid),
        (0x0020, 0x000E, data.uid(study.number, 1)),
    ]
    yield b"".join(element(group, number, value.encode()) for group, number, value in values)
    yield struct.pack("<HHI", 0x7FE0, 0x0010, size)
    block = bytes(range(256)) * (PDU_LENGTH // 256)
    for _ in range(size // PDU_LENGTH):
        yield block
