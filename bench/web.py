"""DICOMweb: what a viewer waits for. A CT study of 500 slices, both archives running side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import data
from bench.clients import Clients
from bench.peers import LeastWeb, Peer
from bench.setting import Row, Setting, show, started, take_turns
from bench.web_client import JSON, ROOT, Web, have_wrk

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


def run(setting: Setting) -> None:
    ct = data.ct(setting.scaled(500))
    folders = ct.write(setting.data)
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    series = f"{ROOT}/studies/{data.uid(0)}/series/{data.uid(0, 1)}"
    instances = [f"{series}/instances/{data.uid(0, 1, number + 1)}" for number in range(len(files))]
    show(
        [
            _stow(setting, files, 10),
            _stow(setting, files, 1),
            take_turns(
                f"series metadata, {len(files)} slices, right after they came",
                setting.runs,
                setting.archives(),
                started(lambda peer: _first_metadata(setting, peer, folders, series)),
            ),
        ]
    )
    with ExitStack() as stack:
        peers = [stack.enter_context(peer) for peer in setting.archives()]
        for peer in peers:
            Clients(setting.library).store(peer, [folders])
        least = stack.enter_context(LeastWeb(setting.room, None))
        Web(least).store(files, 10)
        time.sleep(5)  # background work after the arrival is done
        show(_reading(setting, peers, least, series, instances))
        if have_wrk():
            show(_under_load(setting, peers, least, instances))
        show([take_turns(f"delete the study of {len(files)}", 1, peers, _deleting)])


def _stow(setting: Setting, files: Sequence[Path], per_request: int) -> Row:
    measure = started(lambda peer: Web(peer).store(files, per_request))
    work = f"STOW-RS {len(files)} CT, {per_request} a request"
    return take_turns(work, setting.runs, setting.web(), measure)


def _first_metadata(setting: Setting, peer: Peer, folders: Sequence[Path], series: str) -> float:
    Clients(setting.library).store(peer, [folders])
    return Web(peer).get(f"{series}/metadata", JSON)


def _reading(
    setting: Setting, peers: Sequence[Peer], least: Peer, series: str, instances: Sequence[str]
) -> list[Row]:
    study = f"{ROOT}/studies/{data.uid(0)}"
    fresh = {peer.name: iter(_in_turn(instances, setting.runs)) for peer in peers}
    work: dict[str, Callable[[Web], float]] = {
        "series metadata again": lambda web: web.often(f"{series}/metadata", JSON),
        "study, as stored, the first time": lambda web: web.get(study, AS_STORED),
        "study, as stored": lambda web: web.often(study, AS_STORED),
        "study as ZIP": lambda web: web.get(web.peer.archive_path(data.uid(0)), "application/zip"),
        "rendered JPEG, each once": lambda web: web.once(next(fresh[web.peer.name]), "image/jpeg"),
    }

    def measuring(measure: Callable[[Web], float]) -> Callable[[Peer], float]:
        return lambda peer: measure(Web(peer))

    return [
        take_turns(name, setting.runs, [*peers, least] if "as stored" in name else peers, measuring(measure))
        for name, measure in work.items()
    ]


def _in_turn(instances: Sequence[str], runs: int) -> list[list[str]]:
    """Pictures for each run, of which none was seen before."""
    return [[f"{each}/rendered" for each in instances[run :: max(5, runs)]] for run in range(runs)]


def _under_load(setting: Setting, peers: Sequence[Peer], least: Peer, instances: Sequence[str]) -> list[Row]:
    frames = [f"{instance}/frames/1" for instance in instances]
    metadata = [f"{instance}/metadata" for instance in instances]
    rendered = [f"{instance}/rendered" for instance in instances[:100]]
    return [
        *(_each(setting, peers, "frames/1 of 512 KB", frames, FRAMES, n) for n in (1, 4, 16)),
        _each(setting, [*peers, least], "instance", instances, AS_STORED, 4),
        _each(setting, peers, "instance metadata", metadata, JSON, 4),
        _each(setting, peers, "rendered JPEG, seen before", rendered, "image/jpeg", 4),
    ]


def _each(
    setting: Setting, peers: Sequence[Peer], what: str, paths: Sequence[str], accept: str, connections: int
) -> Row:
    work = f"{what}, {connections} connections, each"
    return take_turns(work, setting.runs, peers, lambda peer: Web(peer).each(paths, accept, connections))


def _deleting(peer: Peer) -> float:
    return Web(peer).delete(data.uid(0))
