"""Every operation of the OpenAPI document, with inputs made from its own description and against it.

Whatever is sent, the answer is one that the document promises, and never the server's fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.conformance.kit.samples import Samples
from tests.conformance.kit.store import post
from tests.conformance.server import PATIENCE, Server
from tests.waiting import eventually

schemathesis = pytest.importorskip(
    "schemathesis", reason="schemathesis is not installed: pip install schemathesis"
)

ENDLESS = "/api/v1/events"
"""Its answer has no end; `test_fuzzed_http.py` asks for it."""
BOUNDED = settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return Samples()


@pytest.fixture(scope="module")
def web(server: Server, samples: Samples) -> Iterator[httpx.Client]:
    """Of an administrator of an organisation that has one patient."""
    with server.web("admin", "fuzzed") as client:
        client.base_url = httpx.URL(f"{server.url}/dicom-web")
        assert post(client, [each.data for each in samples.all]).status_code == 200
        yield client


def _operations(web: httpx.Client) -> list[Any]:
    document = web.get(web.base_url.join("/api/v1/openapi.json")).json()
    found = [each.ok() for each in schemathesis.openapi.from_dict(document).get_all_operations()]
    asked = [operation for operation in found if operation.path != ENDLESS]
    return sorted(asked, key=lambda operation: operation.path.endswith("/logout"))  # it ends the token


def _raw(_: Any, value: Any) -> bytes:
    """Bodies that are no JSON go as whatever bytes came up: what parses is for the tests of STOW-RS."""
    return value if isinstance(value, bytes) else repr(value).encode("utf-8", "replace")


for _kind in ("application/dicom", "multipart/related", "application/zip", "application/octet-stream"):
    schemathesis.serializer(_kind)(_raw)


@pytest.fixture(scope="module")
def made() -> dict[str, list[Any]]:
    """Label of an operation → what it is asked, of each storage the same: to make it up takes longer."""
    return {}


def _cases(operation: Any, samples: Samples) -> list[Any]:
    """Every other path is of something that is there."""
    cases: list[Any] = []
    one = samples.slices[0]
    kept = {"study": one.study, "series": one.series, "sop": one.sop}

    @BOUNDED
    @given(case=operation.as_strategy())
    def make(case: Any) -> None:
        if len(cases) % 2 and case.method != "DELETE":
            case.path_parameters.update({n: v for n, v in kept.items() if n in case.path_parameters})
        cases.append(case)

    make()
    return cases


def _faults(server: Server, cases: list[Any]) -> list[str]:
    """What was answered that must not have been."""
    faults = list[str]()
    headers = {"Authorization": f"Bearer {server.token('admin', 'fuzzed')}"}
    for case in cases:
        label = case.operation.label
        try:
            answer = case.call(base_url=server.url, headers=headers, timeout=PATIENCE)
        except Exception as error:
            faults.append(f"{label}: {type(error).__name__}: {error}"[:300])
            continue
        status = answer.status_code
        documented = {str(code) for code in case.operation.responses.status_codes}
        busy = status == 503 and "/health" in case.operation.path  # it cannot examine all parts in time
        if status == 500 or (status > 500 and str(status) not in documented and not busy):
            faults.append(f"{label}: {status} for {case.as_curl_command()}"[:600])
    return faults


def test_no_operation_fails_or_hangs(
    server: Server, web: httpx.Client, samples: Samples, made: dict[str, list[Any]]
) -> None:
    operations = _operations(web)
    assert len(operations) > 40
    faults = list[str]()
    for operation in operations:
        if operation.label not in made:
            made[operation.label] = _cases(operation, samples)
        faults += _faults(server, made[operation.label])
    assert not faults, "\n".join(faults[:20])
    eventually("it is ready", server.ready)
