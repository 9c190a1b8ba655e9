"""C-STORE: how fast a modality gets rid of its images, each safe on disk before it is acknowledged."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import data, disk
from bench.clients import Clients
from bench.setting import Row, Setting, show, started, take_turns


def run(setting: Setting) -> None:
    """What is measured is the disk as much as the archive: what it takes for the same bytes comes first."""
    ct, mr = data.ct(setting.scaled(500)), data.mr(setting.scaled(1000))
    slices, halves = ct.write(setting.data), mr.write(setting.data)
    pairs = [halves[i : i + mr.parts] for i in range(0, len(halves), mr.parts)]
    few = data.ct(setting.scaled(100))
    for work, folders in ((f"{ct.instances} CT", slices), (f"{4 * mr.instances} MR", halves)):
        seconds = statistics.median(disk.durable_copies(setting.room, folders) for _ in range(setting.runs))
        print(f"- {work} as files, each waited for: {seconds:.3g} s", flush=True)
    print(flush=True)
    show(
        [
            _row(setting, f"{ct.instances} CT, 1 sender", [slices]),
            _row(setting, f"{4 * mr.instances} MR, 1 sender", [halves]),
            _row(setting, f"4 × {mr.instances} MR, 4 senders", pairs),
            _row(setting, f"{4 * mr.instances} MR, 8 senders", [[half] for half in halves]),
            _row(
                replace(setting, library=None),
                f"{few.instances} CT, stock sender and stock server",
                [few.write(setting.data)],
            ),
        ]
    )


def _row(setting: Setting, work: str, senders: Sequence[Sequence[Path]]) -> Row:
    clients = Clients(setting.library)
    measure = started(lambda peer: clients.store(peer, senders))
    return take_turns(f"C-STORE {work}", setting.runs, setting.all(), measure)
