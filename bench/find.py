"""C-FIND and QIDO-RS over many one-image studies, and whether ingest slows as it fills."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from urllib.parse import urlencode

from bench import data
from bench.clients import Clients
from bench.peers import Peer
from bench.setting import Row, Setting, show, table, take_turns
from bench.web_client import ROOT, Web

#: The fields that a viewer's list shows.
RETURNED = (
    *("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber"),
    *("StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances"),
)

_LISTED = {"limit": "101", "includefield": "00081030,00080060"}
#: What a viewer's list asks over HTTP.
PAGES = {
    "first page of 101": _LISTED,
    "PatientName = *ros*, 101": {**_LISTED, "PatientName": "*ros*"},
    "PatientName = *ros*, 1,000": {**_LISTED, "PatientName": "*ros*", "limit": "1000"},
}


def run(setting: Setting) -> None:
    studies = setting.scaled(20_000)
    folders = list(data.small(setting.data, studies))
    queries = {
        "PatientName": "*ros*",
        "StudyDate": "20120301-20120331",
        "AccessionNumber": data.Study(studies // 2).accession,
    }
    clients = Clients(setting.library)
    with ExitStack() as stack:
        peers = [stack.enter_context(peer) for peer in setting.archives()]
        seconds = {peer.name: [clients.store(peer, [[folder]]) for folder in folders] for peer in peers}
        _show_ingest(seconds, studies)
        show([_row(setting, peers, key, value) for key, value in queries.items()])
        show([_web_row(setting, peers, work, keys) for work, keys in PAGES.items()])


def _show_ingest(seconds: dict[str, list[float]], studies: int) -> None:
    heading = ["ingest of one-image studies, 1 sender", "first thousand", "last thousand", "all"]
    rows = [
        [name, *(f"{rate:.0f} /s" for rate in (1000 / each[0], 1000 / each[-1], studies / sum(each)))]
        for name, each in seconds.items()
    ]
    print(table(heading, rows), end="\n\n", flush=True)


def _row(setting: Setting, peers: Sequence[Peer], key: str, value: str) -> Row:
    clients = Clients(setting.library)
    keys = [f"{key}={value}", *(keyword for keyword in RETURNED if keyword != key)]
    answers = {peer.name: clients.find(peer, keys)[1] for peer in peers}
    work = f"C-FIND {key} = {value}: " + ", ".join(f"{count} of {name}" for name, count in answers.items())
    return take_turns(work, setting.runs, peers, lambda peer: clients.find(peer, keys)[0])


def _web_row(setting: Setting, peers: Sequence[Peer], work: str, keys: dict[str, str]) -> Row:
    path = f"{ROOT}/studies?{urlencode(keys, safe='*,')}"
    return take_turns(f"QIDO-RS {work}", setting.runs, peers, lambda peer: Web(peer).find(path)[0])
