"""A hundred silent associations: what CPU time they cost."""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench.peers import Peer
from bench.setting import Setting, table
from bench.wire import Association

VERIFICATION = "1.2.840.10008.1.1"
ASSOCIATIONS, SECONDS = 100, 20


def run(setting: Setting) -> None:
    rows = []
    with setting.ours() as peer:
        for count in (0, ASSOCIATIONS):
            used = _cpu_seconds(peer, count)
            rows.append(
                [f"{count} idle associations", f"{used:.2f} s in {SECONDS} s", f"{used / SECONDS:.2%}"]
            )
    print(table(["ours", "CPU of all processes", "of one core"], rows))


def _cpu_seconds(peer: Peer, count: int) -> float:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(Association(("127.0.0.1", peer.port), peer.aet, VERIFICATION))
        time.sleep(1)  # what opening them cost is not counted
        before = peer.cpu_seconds()
        time.sleep(SECONDS)
        return peer.cpu_seconds() - before
