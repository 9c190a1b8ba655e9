"""The promise under `kill -9`: whatever was acknowledged is there afterwards, whole, exactly once.

    python -m tests.conformance.crash --rounds 100 [--postgresql]

Four modalities send into one study and one patient of their own; every process of the server is
killed at a random moment; the server starts again; at the end everything acknowledged is
retrieved and compared. Then the same for the web (`crash_web`), whose server loses one process at a
time. The short form of this is `test_durability.py`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from pydicom.uid import generate_uid

from tests.conformance.crash_web import assert_as_told, kill_rounds
from tests.conformance.senders import Modality, get_study, instance_uids, study_counts
from tests.conformance.server import PATIENCE, Server
from tests.servers import cluster

SENDERS = 4
PAUSE = 0.05
"""Seconds that a sender waits between slices, so that all of them can be fetched in the end."""


def crash_rounds(server: Server, rounds: int, seconds: tuple[float, float] = (0.3, 2.0)) -> list[Modality]:
    """Kill the server `rounds` times while four modalities send; it runs again when this returns."""
    shared = generate_uid()
    senders = [
        Modality(server.dimse_port, shared if i % 2 else generate_uid(), pause=PAUSE) for i in range(SENDERS)
    ]
    stop = threading.Event()
    threads = [threading.Thread(target=sender.run, args=(stop,), daemon=True) for sender in senders]
    for thread in threads:
        thread.start()
    for done in range(rounds):
        time.sleep(random.uniform(*seconds))
        server.kill()
        server.start()
        total = sum(len(sender.acknowledged) for sender in senders)
        print(f"\rkilled {done + 1} of {rounds} times, {total} acknowledged", end="", file=sys.stderr)
    before, deadline = [len(sender.acknowledged) for sender in senders], time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if all(len(sender.acknowledged) > n for sender, n in zip(senders, before, strict=True)):
            break  # each was served by the server that is up now
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(90)
    print(file=sys.stderr)
    return senders


def assert_kept(server: Server, senders: list[Modality]) -> None:
    """Everything acknowledged is found once, counted truly, and comes back with the pixels sent."""
    for study in {sender.study for sender in senders}:
        of_study = [sender for sender in senders if sender.study == study]
        acknowledged = {uid: pixels for sender in of_study for uid, pixels in sender.acknowledged.items()}
        listed = Counter(instance_uids(server.dimse_port, study, [sender.series for sender in of_study]))
        assert max(listed.values()) == 1, "an instance is listed twice"
        lost = acknowledged.keys() - listed.keys()
        assert not lost, f"{len(lost)} acknowledged instances are lost, such as {next(iter(lost))}"
        assert study_counts(server.dimse_port, study) == len(listed), "the study's count is not true"
        retrieved = get_study(server.dimse_port, study)
        assert retrieved.keys() == listed.keys(), "something listed cannot be retrieved"
        assert all(retrieved[uid] == pixels for uid, pixels in acknowledged.items()), "pixels differ"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    given = parser.parse_args()
    rounds, settings = given.rounds, {"PACS_MAX_FIND_ANSWERS": "1000000", "PACS_JOB_LEASE": "5"}
    with ExitStack() as stack:
        if given.postgresql:
            settings["PACS_DATABASE_URL"] = stack.enter_context(cluster()).url
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = Server(Path(folder) / "data", settings, True)
        server.start()
        try:
            senders = crash_rounds(server, rounds)
            assert_kept(server, senders)
            clients = kill_rounds(server, rounds)
            assert_as_told(server, clients)
            server.command("verify")
            server.command("audit", "verify")
        finally:
            server.stop()
    total = sum(len(sender.acknowledged) for sender in senders)
    stored, deleted = (sum(len(getattr(each, of)) for each in clients) for of in ("stored", "deleted"))
    print(f"{rounds} kills, {total} acknowledged instances, all there")
    print(f"{rounds} kills, {stored} studies over the web, {deleted} of them deleted, all as told")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
