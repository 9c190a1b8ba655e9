"""C-FIND and QIDO-RS over a million studies: how long answers take, and the plan of the SQL.

The index is filled in bulk through the project's own tables; patients, studies and series, which is
all that a study-level query looks at. Nothing is stored as a blob.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench import fill, plans
from bench.data import RARE_FAMILY, Study
from bench.peers import Ours, Peer
from bench.setting import Setting, table
from bench.web_client import ROOT, Web
from bench.wire import PENDING, Association, element
from storage.database import Database

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
#: A viewer's first page; it cancels after that many.
PAGE = 101
#: Requests after which each of a few processes has very likely answered one.
GREETINGS = 16

#: Tags of the keys asked for, in the order in which they are sent.
TAGS = {
    "SpecificCharacterSet": (0x0008, 0x0005),
    "StudyDate": (0x0008, 0x0020),
    "StudyTime": (0x0008, 0x0030),
    "AccessionNumber": (0x0008, 0x0050),
    "QueryRetrieveLevel": (0x0008, 0x0052),
    "ModalitiesInStudy": (0x0008, 0x0061),
    "StudyDescription": (0x0008, 0x1030),
    "PatientName": (0x0010, 0x0010),
    "PatientID": (0x0010, 0x0020),
    "StudyInstanceUID": (0x0020, 0x000D),
    "NumberOfStudyRelatedInstances": (0x0020, 0x1208),
}


@dataclass(frozen=True)
class Search:
    name: str
    keys: dict[str, str]
    at_most: int | None = None

    @property
    def identifier(self) -> bytes:
        values = {"SpecificCharacterSet": "ISO_IR 192", "QueryRetrieveLevel": "STUDY", **self.keys}
        return b"".join(element(*tag, _padded(values.get(key, ""))) for key, tag in TAGS.items())


def searches(studies: int) -> list[Search]:
    some = Study(studies // 2)
    month = {"StudyDate": "20120301-20120331"}
    return [
        Search("newest first, a page", {}, PAGE),
        Search("name *ros* (common), a page", {"PatientName": "*ros*"}, PAGE),
        Search("name *ros* (common), 1,000", {"PatientName": "*ros*"}, 1000),
        Search(f"name *{RARE_FAMILY[2:7].lower()}* (rare)", {"PatientName": f"*{RARE_FAMILY[2:7].lower()}*"}),
        Search("name *qzx* (nobody)", {"PatientName": "*qzx*"}),
        Search("name *qz* (nobody, two letters)", {"PatientName": "*qz*"}),
        Search("name Rossi7^* (begins with)", {"PatientName": "Rossi7^*"}),
        Search("Patient ID", {"PatientID": some.patient_id}),
        Search("Accession Number", {"AccessionNumber": some.accession}),
        Search("Study Instance UID", {"StudyInstanceUID": some.uid}),
        Search("one month, a page", month, PAGE),
        Search("one month, name *ros*", {**month, "PatientName": "*ros*"}),
        Search("one month, modality MG, a page", {**month, "ModalitiesInStudy": "MG"}, PAGE),
        Search("modality MG, a page", {"ModalitiesInStudy": "MG"}, PAGE),
    ]


FUZZY = [
    Search("name rossi, fuzzy", {"PatientName": "rossi", "fuzzymatching": "true"}),
    Search("name rosssy jon, fuzzy", {"PatientName": "rosssy jon", "fuzzymatching": "true"}),
]


class Filled(Ours):
    """Our server over an index that is full when it starts."""

    studies = 0

    def prepare(self, store: Path) -> None:
        super().prepare(store)
        begin = time.perf_counter()
        fill.fill(self.database_url(store), self.studies)
        print(f"{self.studies:,} studies entered in {time.perf_counter() - begin:.0f} s\n", flush=True)


def run(setting: Setting) -> None:
    peer = Filled(setting.room, setting.postgres)
    peer.studies = setting.scaled(1_000_000)
    with peer:
        _meet(peer)
        rows = [_measured(peer, search, setting.runs) for search in searches(peer.studies)]
        print(table(["C-FIND at study level", "answers", "first answer", "last answer"], rows), flush=True)
        pages = [_page(peer, search, setting.runs) for search in [*searches(peer.studies), *FUZZY]]
        heading = [f"QIDO-RS, first page of {PAGE}", "answers", "first time", "median"]
        print(f"\n{table(heading, pages)}", flush=True)
        _show_plans(peer)


def _show_plans(peer: Filled) -> None:
    database = Database(peer.database_url(peer.store))
    for search in searches(peer.studies):
        values = {TAGS[key]: value for key, value in search.keys.items()}
        print(f"\n{search.name}\n{plans.plan(database, values)}", flush=True)
    database.close()


def _meet(peer: Peer) -> None:
    """Let every process open its connections first: that would be measured as the first search."""
    any_study = Search("any", {}, 1)
    for _ in range(GREETINGS):
        _once(peer, any_study)
        _page(peer, any_study, 1)


def _measured(peer: Peer, search: Search, runs: int) -> list[str]:
    times = [_once(peer, search) for _ in range(runs)]
    first, last = (statistics.median(t[i] for t in times) for i in (1, 2))
    return [search.name, f"{times[0][0]}", f"{first * 1000:.1f} ms", f"{last * 1000:.1f} ms"]


def _once(peer: Peer, search: Search) -> tuple[int, float, float]:
    """Answers; seconds to the first response, be it the final one, and to the final one."""
    with Association(("127.0.0.1", peer.port), peer.aet, STUDY_ROOT_FIND) as association:
        begin = time.perf_counter()
        arrivals = [
            (time.perf_counter() - begin, status)
            for status in association.find(search.identifier, search.at_most)
        ]
    return sum(status in PENDING for _, status in arrivals), arrivals[0][0], arrivals[-1][0]


def _page(peer: Peer, search: Search, runs: int) -> list[str]:
    """The time of the first asking, and the median of all."""
    web, path = Web(peer), f"{ROOT}/studies?{urlencode({'limit': PAGE, **search.keys})}"
    found = [web.find(path) for _ in range(runs)]
    median = statistics.median(seconds for seconds, _ in found)
    return [search.name, f"{found[0][1]}", f"{found[0][0] * 1000:.1f} ms", f"{median * 1000:.1f} ms"]


def _padded(value: str) -> bytes:
    data = value.encode()
    return data + b" " * (len(data) % 2)
