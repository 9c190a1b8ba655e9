"""C-GET and C-MOVE of one study of 1,000 MR, both archives loaded alike and running side by side."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import data
from bench.clients import Clients
from bench.peers import Peer
from bench.setting import Setting, show, take_turns


def run(setting: Setting) -> None:
    mr = data.mr(setting.scaled(1000))
    folders = mr.write(setting.data)[: mr.parts]
    study = data.Study(0).uid
    clients = Clients(setting.library)

    def to_disk(peer: Peer) -> float:
        with tempfile.TemporaryDirectory(dir=setting.room) as folder:
            return clients.get(peer, study, Path(folder))

    with ExitStack() as stack:
        peers = [stack.enter_context(peer) for peer in setting.archives()]
        for peer in peers:
            peer.learn_sink()
            stack.enter_context(clients.sink(peer))
            clients.store(peer, [folders])
        work = {
            f"C-GET {mr.instances} MR, ignored": lambda peer: clients.get(peer, study, None),
            f"C-GET {mr.instances} MR, to disk": to_disk,
            f"C-MOVE {mr.instances} MR": lambda peer: clients.move(peer, study),
        }
        show([take_turns(name, setting.runs, peers, measure) for name, measure in work.items()])
