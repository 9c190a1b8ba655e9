"""Dates and times as keys, and what partial ones stand for."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.search import moments


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("20240229", "20240229"),
        ("2024.02.29", "20240229"),
        (" 20240229 ", "20240229"),
        ("20230229", None),
        ("00000000", None),
        ("2024-02-29", None),
        ("2024.0229", None),
        ("202402", None),
        ("٢٠٢٤٠٢٢٩", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_days(text: str, key: str | None) -> None:
    assert moments.day(text) == key


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10", "100000.000000", "105959.999999"),
        ("1030", "103000.000000", "103059.999999"),
        ("103015", "103015.000000", "103015.999999"),
        ("10:30:15", "103015.000000", "103015.999999"),
        ("103015.1", "103015.100000", "103015.199999"),
        ("103015.123456", "103015.123456", "103015.123456"),
        ("103015.1234567", "103015.123456", "103015.123456"),
        ("235960", "235959.999999", "235959.999999"),
    ],
)
def test_times(text: str, first: str, last: str) -> None:
    assert moments.time(text) == (first, last)


@pytest.mark.parametrize("text", ["24", "1060", "103061", "1", "103", "noon", "", "10-11", "１０"])
def test_what_is_no_time(text: str) -> None:
    assert moments.time(text) is None


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", "20240101000000.000000", "20241231235959.999999"),
        ("202402", "20240201000000.000000", "20240229235959.999999"),
        ("20240229", "20240229000000.000000", "20240229235959.999999"),
        ("2024022910", "20240229100000.000000", "20240229105959.999999"),
        ("20240229103015.5", "20240229103015.500000", "20240229103015.599999"),
        ("20240301003000+0100", "20240229233000.000000", "20240229233000.999999"),
        ("20231231233000-0500", "20240101043000.000000", "20240101043000.999999"),
    ],
)
def test_moments(text: str, first: str, last: str) -> None:
    assert moments.moment(text) == (first, last)


def test_a_moment_without_offset_is_in_the_zone_given() -> None:
    assert moments.moment("2024010100", "+0200") == ("20231231220000.000000", "20231231225959.999999")
    assert moments.moment("2024010100+0000", "+0200") == ("20240101000000.000000", "20240101005959.999999")


@pytest.mark.parametrize("text", ["", "24", "20240230", "202402291060", "20240229+2000", "202410+01", "x"])
def test_what_is_no_moment(text: str) -> None:
    assert moments.moment(text) is None


@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30)))
def test_keys_order_as_time_does(at: datetime) -> None:
    found = moments.moment(f"{at:%Y%m%d%H%M%S.%f}")
    assert found == (f"{at:%Y%m%d%H%M%S.%f}",) * 2


@given(st.text("0123456789.:+- x", max_size=30))
def test_anything_is_a_moment_or_nothing(text: str) -> None:
    for read in (moments.time, moments.moment):
        interval = read(text)
        assert interval is None or interval[0] <= interval[1]
