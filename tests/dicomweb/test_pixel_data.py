"""Retrieve Pixel Data (PS3.18 §10.4.1.1.6) of a study, a series and an instance."""

from __future__ import annotations

import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from pacs.dicom.image import ImagePixel
from pacs.pixels.transcode import encode_frame
from tests.dicomweb.retrieving import World, image, parts, path_to

AS_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"
OCTETS = 'multipart/related; type="application/octet-stream"'
FRAMES = [bytes([n] * 24) for n in range(3)]
BROAD = bytes(range(256)) * 4
SYNTAX = "transfer-syntax="


@pytest.fixture
def study(world: World) -> str:
    """Three frames as they are, and one in JPEG 2000."""
    one = world.store(image(1, ExplicitVRLittleEndian, FRAMES)).identity
    encoded = encode_frame(JPEG2000Lossless, ImagePixel(32, 32, 8, 8), BROAD)
    world.store(image(2, JPEG2000Lossless, [encoded], Rows=32, Columns=32))
    return path_to(one, 1)


@pytest.mark.parametrize("level", [1, 2])
def test_every_frame_is_a_part_that_says_where_it_is(world: World, study: str, level: int) -> None:
    one = path_to(world.store(image(1, ExplicitVRLittleEndian, FRAMES)).identity, level)
    answer = world.get(f"{one}/pixeldata", OCTETS)
    assert answer.status_code == 200
    found = parts(answer)
    assert [body for _, body in found] == [*FRAMES, BROAD]
    for headers, body in found:
        place = headers["content-location"].partition("/dicom-web")[2]
        assert parts(world.get(place, OCTETS))[0][1] == body
    assert world.audited()[0]["action"] == "retrieve"


def test_as_stored_each_part_names_its_transfer_syntax(world: World, study: str) -> None:
    found = parts(world.get(f"{study}/pixeldata", AS_STORED))
    said = [headers["content-type"].partition(SYNTAX)[2] for headers, _ in found]
    assert said == [ExplicitVRLittleEndian] * 3 + [JPEG2000Lossless]


def test_what_is_left_out_is_said(world: World, study: str) -> None:
    answer = world.get(f"{study}/pixeldata", f"{OCTETS}; {SYNTAX}{JPEG2000Lossless}")
    assert answer.status_code == 206
    assert "1 of 2 instances left out" in answer.headers["warning"]
    assert len(parts(answer)) == 1


def test_an_instance_is_as_its_frames(world: World, study: str) -> None:
    identity = world.store(image(1, ExplicitVRLittleEndian, FRAMES)).identity
    whole = world.get(f"{path_to(identity)}/pixeldata", AS_STORED)
    assert [body for _, body in parts(whole)] == FRAMES
    assert parts(whole) == parts(world.get(f"{path_to(identity)}/frames/1-3", AS_STORED))


def test_what_is_not_there(world: World, study: str) -> None:
    assert world.get(f"{study}/pixeldata", f"{OCTETS}; {SYNTAX}{RLELossless}").status_code == 406
    assert world.get(f"{study}/pixeldata", "text/html").status_code == 406
    assert world.get(f"{study}/pixeldata", OCTETS, **{"x-theirs": "1"}).status_code == 404
    assert world.get("/studies/1.9.9/pixeldata", OCTETS).status_code == 404
    assert world.get("/studies/x/pixeldata", OCTETS).status_code == 400
