"""What a search answers of values that are not what their attribute wants."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from dicomweb.search.answers import Encoder
from pacs.attributes import BY_KEYWORD, Level

UIDS = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3", "SOPInstanceUID": "1.2.3.4"}


@pytest.mark.parametrize(
    ("keyword", "text", "values"),
    [
        ("Rows", "512", [512]),
        ("Rows", "512.0", [512]),
        ("Rows", "many", None),
        ("Rows", "9" * 40, None),
        ("InstanceNumber", "7", [7]),
        ("InstanceNumber", "9" * 40, ["9" * 40]),
        ("InstanceNumber", "1e300", ["1e300"]),
    ],
)
def test_a_number_under_a_wrong_vr_spoils_no_answer(
    keyword: str, text: str, values: list[Any] | None
) -> None:
    encoder = Encoder("http://pacs/dicom-web", Level.IMAGE, [BY_KEYWORD[keyword]])
    answer = orjson.loads(orjson.dumps(encoder.encode({**UIDS, keyword: text})))
    assert answer.get(f"{BY_KEYWORD[keyword].tag:08X}", {}).get("Value") == values
