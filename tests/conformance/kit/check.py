"""What a check is, and what comes of one: the words that all modules of checks share.

A check takes the peer and returns what it saw. It raises `AssertionError` where the peer breaks the
clause, and `NotSupported` where the peer says, in a way that PS3.18 allows, that it has no such thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import httpx

from tests.conformance.kit.samples import Samples

NO_SUCH_THING = (404, 405, 406, 415, 501)
"""How servers say that they lack an optional service or representation."""


class NotSupported(Exception):
    """The peer lacks it, and says so."""


@dataclass(frozen=True)
class Peer:
    """The server under test: `web` is a client whose base is its DICOMweb root; `wado`: of WADO-URI."""

    web: httpx.Client
    wado: str
    samples: Samples

    def get(self, path: str, accept: str | None = None, **headers: str) -> httpx.Response:
        """`accept`: None sends no such header at all."""
        request = self.web.build_request("GET", path, headers=headers)
        del request.headers["accept"]
        if accept is not None:
            request.headers["accept"] = accept
        return self.web.send(request)

    def found(self, path: str) -> list[Mapping[str, object]]:
        """The data sets of a search in DICOM JSON; none for 204."""
        answer = self.get(path, "application/dicom+json")
        if answer.status_code == 204:
            return []
        expect(answer, 200, "application/dicom+json")
        data_sets = answer.json()
        assert isinstance(data_sets, list), f"{type(data_sets).__name__} in place of an array"
        return data_sets


@dataclass(frozen=True)
class Check:
    clause: str
    requirement: str
    run: Callable[[Peer], str]

    def __str__(self) -> str:
        return f"{self.clause} {self.requirement}"


class Outcome(Enum):
    PASSED = "pass"
    FAILED = "fail"
    NOT_SUPPORTED = "not supported"


@dataclass(frozen=True)
class Result:
    check: Check
    outcome: Outcome
    seen: str


def perform(check: Check, peer: Peer) -> Result:
    try:
        return Result(check, Outcome.PASSED, check.run(peer))
    except NotSupported as error:
        return Result(check, Outcome.NOT_SUPPORTED, str(error))
    except (AssertionError, httpx.HTTPError) as error:
        return Result(check, Outcome.FAILED, str(error) or type(error).__name__)
    except Exception as error:  # an answer so odd that reading it fails
        return Result(check, Outcome.FAILED, f"unreadable answer: {type(error).__name__}: {error}")


def media_type(answer: httpx.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


def expect(answer: httpx.Response, status: int | tuple[int, ...], kind: str | tuple[str, ...] = ()) -> str:
    """What was seen, when the answer has one of these statuses and one of these media types."""
    statuses = (status,) if isinstance(status, int) else status
    kinds = (kind,) if isinstance(kind, str) else kind
    seen = f"{answer.status_code} {media_type(answer)}".strip()
    assert answer.status_code in statuses, (
        f"{seen}, not {' or '.join(map(str, statuses))}: {answer.text[:120]}"
    )
    assert not kinds or media_type(answer) in kinds, f"{seen}, not {' or '.join(kinds)}"
    return seen


def supported(answer: httpx.Response, lacks: tuple[int, ...] = NO_SUCH_THING) -> httpx.Response:
    if answer.status_code in lacks:
        raise NotSupported(f"{answer.status_code} {media_type(answer)}".strip())
    return answer
