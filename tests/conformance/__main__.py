"""How well a DICOMweb server keeps to PS3.18, clause by clause.

    python -m tests.conformance http://localhost:8080/dicom-web --token "$TOKEN"

Stores two small studies of a patient KIT-… there and asks for them in all ways; they stay.
Exits with 1 when a check fails, with 2 when the server cannot be tested at all.
"""

from __future__ import annotations

import argparse
import sys

import httpx

from tests.conformance.kit.check import Outcome
from tests.conformance.kit.report import print_table
from tests.conformance.kit.suite import CHECKS, peer, run


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="the root of DICOMweb, such as http://localhost:8080/dicom-web")
    parser.add_argument("--token", help="a bearer token")
    parser.add_argument("--wado", metavar="URL", help="the URI service; by default /wado beside the root")
    given = parser.parse_args()
    try:
        results = list(run(peer(given.url, given.wado, given.token)))
    except (AssertionError, httpx.HTTPError, httpx.InvalidURL) as error:
        print(f"{given.url} takes no instances by STOW-RS: {error}", file=sys.stderr)
        return 2
    print_table(results)
    if len(results) < len(CHECKS):
        print(f"The server went down and stayed down: {len(CHECKS) - len(results)} checks are left out.")
    return 1 if any(result.outcome is Outcome.FAILED for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
