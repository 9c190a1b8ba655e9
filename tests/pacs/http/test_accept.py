"""Accept in all the forms that occur (case A20), against offers like those of the resources."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from pacs.errors import BadInput, NotAcceptable
from pacs.http.accept import (
    ANYTHING,
    DICOM,
    MAX_RANGES,
    OCTETS,
    ZIP,
    MediaRange,
    Offer,
    acceptable,
    choose,
    parse,
    takes_gzip,
)

EXPLICIT, JPEG, J2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"
PARTS, ALONE, ZIPPED = Offer(DICOM, multipart=True), Offer(DICOM), Offer(ZIP)
DOCUMENTS = (PARTS, ALONE, ZIPPED)

PLAIN = Offer(OCTETS, True, EXPLICIT)
STORED = Offer("image/jpeg", True, JPEG, stored=True)
STORED_OCTETS = Offer(OCTETS, True, JPEG, stored=True, default=False)
PLAIN_ALONE, STORED_ALONE = Offer(OCTETS, False, EXPLICIT), Offer("image/jpeg", False, JPEG, stored=True)
FRAMES = (PLAIN, STORED, STORED_OCTETS, PLAIN_ALONE, STORED_ALONE)
"""A frame that is stored as JPEG."""


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", PARTS),
        ("*/*", PARTS),
        ("*", PARTS),
        ("*/*;q=0.1", PARTS),
        ("multipart/related", PARTS),
        ("multipart/*", PARTS),
        ('multipart/related; type="application/dicom"', PARTS),
        ("multipart/related; type=application/dicom", PARTS),
        ("multipart/related;type=application/dicom", PARTS),
        ('MULTIPART/Related ; Type = "Application/DICOM" ', PARTS),
        ('multipart/related; type="application/dicom', PARTS),
        ('multipart/related; type="application/*"', PARTS),
        ('multipart/related; type="application/"', PARTS),
        ("application/", ALONE),
        ('multipart/related; type="application/dicom"; boundary=abc; charset=utf-8', PARTS),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', PARTS),
        ("application/dicom", ALONE),
        ("application/dicom; transfer-syntax=*", ALONE),
        ("application/*", ALONE),
        ("application/zip", ZIPPED),
        ("application/zip, */*", ZIPPED),
        ("*/*, application/zip", ZIPPED),
        ("application/zip;q=0.5, */*;q=0.6", PARTS),
        ("application/zip;q=0, */*", PARTS),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", PARTS),
        ("image/foo, application/unknown; a=b, application/dicom;q=0.2", ALONE),
        ("application/dicom;q=0.2, application/zip;q=0.21", ZIPPED),
        ("application/dicom;q=nonsense, application/zip;q=0.9", ALONE),
        ("application/dicom;q=7, application/zip", ALONE),
        ("application/dicom;q=-1, application/zip;q=0.1", ZIPPED),
        (",, ,application/dicom,", ALONE),
        ("nonsense, application/dicom", ALONE),
    ],
)
def test_the_form_of_a_document(accept: str, wanted: Offer) -> None:
    assert choose(parse([accept]), DOCUMENTS) == wanted


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ('multipart/related; type="application/octet-stream"', PLAIN),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", STORED_OCTETS),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', STORED_OCTETS),
        (f"multipart/related; type=application/octet-stream; transfer-syntax={EXPLICIT}", PLAIN),
        (f"multipart/related; type=application/octet-stream; transfer-syntax={JPEG}", STORED_OCTETS),
        (f'multipart/related; type="application/octet-stream"; transfer-syntax="{JPEG}"', STORED_OCTETS),
        (f"multipart/related; transfer-syntax={J2K}; transfer-syntax={JPEG}", STORED),
        (f"multipart/related; transfer-syntax={J2K},multipart/related; transfer-syntax=*", STORED),
        ("multipart/related; transfer-syntax=*", STORED),
        ("multipart/related; type=image/jpeg", STORED),
        ("multipart/related; type=image/dicom+jpeg", STORED),
        ("multipart/related; type=image/*", STORED),
        (f"multipart/related; type=image/jpeg; transfer-syntax={JPEG}", STORED),
        ("image/jpeg", STORED_ALONE),
        ("image/*;q=0.3, application/octet-stream;q=0.2", STORED_ALONE),
        ("application/octet-stream", PLAIN_ALONE),
        ("multipart/related; type=image/jp2, multipart/related; type=image/jpeg;q=0.9, */*;q=0.1", STORED),
        ("multipart/related; type=image/jls, multipart/related; type=application/octet-stream;q=0.5", PLAIN),
    ],
)
def test_the_form_of_a_frame(accept: str, wanted: Offer) -> None:
    assert choose(parse([accept]), FRAMES) == wanted


def test_what_is_said_of_one_syntax_comes_before_what_is_said_of_all() -> None:
    general = "image/jpeg, application/octet-stream;q=0.5"
    assert choose(parse([general]), FRAMES) == STORED_ALONE
    assert choose(parse([f"{general}, image/jpeg;transfer-syntax={JPEG};q=0.1"]), FRAMES) == PLAIN_ALONE


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/dicom;q=0",
        "*/*;q=0",
        'multipart/related; type="application/dicom+json"',
        "video/*",
    ],
)
def test_what_cannot_be_made_is_said_with_what_can(accept: str) -> None:
    with pytest.raises(NotAcceptable, match=r'available: multipart/related; type="application/dicom", app'):
        choose(parse([accept]), DOCUMENTS)


@pytest.mark.parametrize("accept", ["nonsense", "/", "a/b/c", "application", '"', "=;=", ";q=1", "é/é"])
def test_what_says_nothing_is_refused(accept: str) -> None:
    with pytest.raises(BadInput):
        parse([accept])


def test_several_headers_are_one_list() -> None:
    both = parse(["application/zip;q=0.5", "application/dicom;q=0.6, image/png"])
    assert [each.media_type for each in both] == [ZIP, DICOM, "image/png"]
    assert choose(both, DOCUMENTS) == ALONE


def test_commas_and_semicolons_in_quotes_part_nothing() -> None:
    assert parse(['multipart/related; type="application/dicom"; x="a,b;c\\",d"; q=0.5']) == [
        MediaRange(DICOM, True, (), 0.5)
    ]


def test_the_syntaxes_of_one_range() -> None:
    (found,) = parse([f'application/dicom; transfer-syntax="{JPEG},{J2K}"; transfer-syntax={EXPLICIT}'])
    assert found.syntaxes == (JPEG, J2K, EXPLICIT)


def _request(query: str = "", headers: tuple[str, ...] = ()) -> Request:
    scope: dict[str, Any] = {
        "type": "http",
        "query_string": query.encode(),
        "headers": [(b"accept", header.encode("latin-1")) for header in headers],
    }
    return Request(scope)


@pytest.mark.parametrize(
    ("query", "headers", "wanted"),
    [
        ("", (), [ANYTHING]),
        ("accept=application/zip", ("application/dicom",), [MediaRange(ZIP)]),
        ("accept=", ("application/dicom",), [MediaRange("application/dicom")]),
        ("accept=application/dicom%2Bjson", (), [MediaRange("application/dicom+json")]),
        ("accept=application/dicom+json", (), [MediaRange("application/dicom+json")]),
        ("accept=application%2Fzip&accept=image/png", (), [MediaRange(ZIP), MediaRange("image/png")]),
        ("", ("application/zip", "image/png"), [MediaRange(ZIP), MediaRange("image/png")]),
    ],
)
def test_the_query_comes_before_the_headers(
    query: str, headers: tuple[str, ...], wanted: list[MediaRange]
) -> None:
    assert acceptable(_request(query, headers)) == wanted


def test_a_flood_is_refused() -> None:
    with pytest.raises(BadInput):
        parse([", ".join(["a/b"] * (MAX_RANGES + 1))])


@given(st.text(alphabet='*/ab;=", \\q0.type-', max_size=200) | st.text(max_size=100))
def test_whatever_is_said_is_understood_or_refused(text: str) -> None:
    try:
        ranges = parse([text])
    except BadInput:
        return
    assert all(0 <= each.q <= 1 and not math.isnan(each.q) for each in ranges)
    for offer in (*DOCUMENTS, *FRAMES):
        try:
            assert choose(ranges, [offer]) == offer
        except NotAcceptable as refusal:
            assert str(offer) in str(refusal)


def test_long_hostile_headers_take_no_time() -> None:
    for hostile in ('"' * 60_000, '"\\' * 30_000, ";" * 60_000, 'a/b;"' + "\\" * 60_000, "," * 60_000):
        try:
            parse([hostile])
        except BadInput:
            continue


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("*;q=0", False),
        ("x-gzipped", False),
        ("", False),
    ],
)
def test_gzip_for_callers_that_accept_it(given: str, taken: bool) -> None:
    headers = [(b"accept-encoding", given.encode())]
    assert takes_gzip(Request({"type": "http", "headers": headers})) is taken
