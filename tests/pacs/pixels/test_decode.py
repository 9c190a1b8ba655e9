from __future__ import annotations

import zlib
from collections import Counter
from itertools import groupby
from pathlib import Path

import libjpeg
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder, get_encoder
from pydicom.uid import JPEG2000Lossless, RLELossless

from pacs.dicom.image import ImagePixel
from pacs.errors import NotConvertible
from pacs.pixels.decode import CODECS, DEFLATED_IMAGE_FRAME, decode
from pacs.pixels.jpeg import colour_space, repaired
from tests.corpus import SHARED_DATA, corpus_files, needs_corpus


def image_of(dataset: Dataset) -> ImagePixel:
    return ImagePixel(
        rows=dataset.Rows,
        columns=dataset.Columns,
        bits_allocated=dataset.BitsAllocated,
        bits_stored=dataset.BitsStored,
        samples_per_pixel=dataset.SamplesPerPixel,
        pixel_representation=dataset.get("PixelRepresentation", 0),
        planar_configuration=dataset.get("PlanarConfiguration") or 0,
        photometric_interpretation=dataset.PhotometricInterpretation,
    )


def first_frame(dataset: Dataset) -> bytes:
    return next(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)))


def encoded(array: np.ndarray, syntax: str, image: ImagePixel) -> bytes:
    return get_encoder(syntax).encode(
        array,
        index=None,
        rows=image.rows,
        columns=image.columns,
        samples_per_pixel=image.samples_per_pixel,
        bits_allocated=image.bits_allocated,
        bits_stored=image.bits_stored,
        pixel_representation=image.pixel_representation,
        photometric_interpretation=image.photometric_interpretation,
        planar_configuration=image.planar_configuration,
        number_of_frames=1,
    )


NOISE = np.random.default_rng(7)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize(
    ("dtype", "stored", "signed"),
    [("u1", 8, 0), ("<u2", 16, 0), ("<u2", 12, 0), ("<i2", 16, 1), ("<i2", 12, 1)],
)
def test_lossless_samples_come_back_bit_for_bit(syntax: str, dtype: str, stored: int, signed: int) -> None:
    low, high = (-(1 << stored - 1), 1 << stored - 1) if signed else (0, 1 << stored)
    pixels = NOISE.integers(low, high, (40, 49)).astype(dtype)
    image = ImagePixel(40, 49, pixels.itemsize * 8, stored, pixel_representation=signed)
    decoded = decode(syntax, image, encoded(pixels, syntax, image))
    assert decoded.data == pixels.tobytes()
    assert decoded.image == image


@pytest.mark.parametrize("planar", [0, 1])
def test_rle_planes_come_in_the_order_the_data_set_says(planar: int) -> None:
    pixels = NOISE.integers(0, 256, (5, 4, 3)).astype("u1")
    interleaved = ImagePixel(5, 4, 8, 8, 3, photometric_interpretation="RGB")
    frame = encoded(pixels, RLELossless, interleaved)
    image = ImagePixel(5, 4, 8, 8, 3, planar_configuration=planar, photometric_interpretation="RGB")
    expected = pixels.transpose(2, 0, 1) if planar else pixels
    assert decode(RLELossless, image, frame).data == expected.tobytes()


def test_reversible_colour_transform_is_undone_and_said() -> None:
    pixels = NOISE.integers(0, 256, (40, 49, 3)).astype("u1")
    image = ImagePixel(40, 49, 8, 8, 3, photometric_interpretation="YBR_RCT")
    decoded = decode(JPEG2000Lossless, image, encoded(pixels, JPEG2000Lossless, image))
    assert decoded.data == pixels.tobytes()
    assert decoded.image.photometric_interpretation == "RGB"


def test_a_deflated_frame_may_not_grow_beyond_what_the_data_set_says() -> None:
    deflater = zlib.compressobj(wbits=-15)
    bomb = deflater.compress(bytes(50 << 20)) + deflater.flush()
    assert decode(DEFLATED_IMAGE_FRAME, ImagePixel(4, 4, 8, 8), bomb).data == bytes(16)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (ImagePixel(40, 50, 16, 16), "dimensions"),
        (ImagePixel(40, 49, 16, 16, 3), "dimensions"),
        (ImagePixel(40, 49, 8, 8), "fit"),
        (ImagePixel(0, 49, 16, 16), "size"),
        (ImagePixel(65535, 65535, 16, 16), "size"),
    ],
)
def test_a_codestream_other_than_described_is_refused(image: ImagePixel, reason: str) -> None:
    pixels = NOISE.integers(0, 1 << 16, (40, 49)).astype("<u2")
    frame = encoded(pixels, JPEG2000Lossless, ImagePixel(40, 49, 16, 16))
    with pytest.raises(NotConvertible, match=reason):
        decode(JPEG2000Lossless, image, frame)


@pytest.mark.parametrize("syntax", sorted(CODECS))
@pytest.mark.parametrize("frame", [b"", b"\xff\xd8", b"\xff\x4f\xff\x51", bytes(64), b"\xff" * 200])
def test_damage_is_an_answer_not_an_accident(syntax: str, frame: bytes) -> None:
    with pytest.raises(NotConvertible):
        decode(syntax, ImagePixel(16, 16, 8, 8), frame)


def test_what_nobody_here_decodes_is_named() -> None:
    with pytest.raises(NotConvertible, match="HEVC"):
        decode("1.2.840.10008.1.2.4.107", ImagePixel(16, 16, 8, 8, 3), b"")


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


JFIF = _segment(0xE0, b"JFIF\0" + bytes(9))
ADOBE_YCC = _segment(0xEE, b"Adobe\0d" + bytes(4) + b"\x01")
ADOBE_RGB = _segment(0xEE, b"Adobe\0d" + bytes(4) + b"\x00")
NUMBERED = _segment(0xC0, bytes((8, 0, 1, 0, 1, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)))
LETTERED = _segment(0xC0, bytes((8, 0, 1, 0, 1, 3, *b"R\x11\0", *b"G\x11\0", *b"B\x11\0")))
LOSSLESS = _segment(0xC3, bytes((8, 0, 1, 0, 1, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)))


@pytest.mark.parametrize(
    ("said", "segments", "is_"),
    [
        ("RGB", NUMBERED, "RGB"),
        ("YBR_FULL", NUMBERED, "YBR_FULL"),
        ("YBR_FULL_422", NUMBERED, "YBR_FULL"),
        ("YBR_PARTIAL_420", NUMBERED, "YBR_FULL"),
        ("RGB", JFIF + NUMBERED, "YBR_FULL"),
        ("RGB", ADOBE_YCC + NUMBERED, "YBR_FULL"),
        ("RGB", ADOBE_RGB + NUMBERED, "RGB"),
        ("YBR_FULL_422", LETTERED, "RGB"),
        ("RGB", JFIF + LOSSLESS, "RGB"),
    ],
)
def test_the_codestream_knows_its_colours_best(said: str, segments: bytes, is_: str) -> None:
    image = ImagePixel(1, 1, 8, 8, 3, photometric_interpretation=said)
    assert colour_space(b"\xff\xd8" + segments, image) == is_


def test_scan_parameters_are_repaired_in_sequential_jpeg_only() -> None:
    zeros, right = _segment(0xDA, b"\x01\x01\x00\x00\x00\x00"), _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
    assert repaired(b"\xff\xd8" + NUMBERED + zeros + b"data") == b"\xff\xd8" + NUMBERED + right + b"data"
    for untouched in (b"\xff\xd8" + NUMBERED + right, b"\xff\xd8" + LOSSLESS + zeros, b"", b"\xff\xd8"):
        assert repaired(untouched) == untouched


def _compressed() -> list[Path]:
    found = []
    for path in corpus_files():
        try:
            meta = dcmread(path, specific_tags=["Rows"]).file_meta
        except Exception:
            continue
        if str(meta.get("TransferSyntaxUID")) in CODECS:
            found.append(path)
    return found


@needs_corpus
def test_pydicom_decodes_the_same_samples() -> None:
    """First frames of the whole corpus; where pydicom cannot, nothing is compared."""
    seen: Counter[str] = Counter()
    for path in _compressed():
        dataset = dcmread(path)
        syntax = dataset.file_meta.TransferSyntaxUID
        try:
            expected, said = get_decoder(syntax).as_array(dataset, index=0, raw=True)
        except Exception:
            continue
        image = image_of(dataset)
        frame = first_frame(dataset)
        decoded = decode(syntax, image, frame)
        if image.bits_allocated == 1:
            expected = np.packbits(expected.astype("u1"), bitorder="little")
        elif decoded.image.planar_configuration:
            expected = expected.transpose(2, 0, 1)
        assert decoded.data == expected.tobytes(), path.name
        assert decoded.image.photometric_interpretation == str(said["photometric_interpretation"]).replace(
            "YBR_FULL_422", "YBR_FULL"
        ), path.name
        seen[syntax] += 1
    assert len(seen) >= 11


@needs_corpus
def test_the_same_image_is_the_same_in_every_lossless_syntax() -> None:
    """NEMA's WG-04 images come in JPEG 2000, JPEG-LS, JPEG and RLE."""
    images = sorted((SHARED_DATA / "transfer-syntaxes" / "wg04").iterdir())
    compared = 0
    for _, group in groupby(images, key=lambda path: path.name.split("_")[0]):
        results: dict[str, bytes] = {}
        for path in group:
            dataset = dcmread(path)
            syntax = dataset.file_meta.TransferSyntaxUID
            if path.name.endswith(("_J2KR", "_JLSL", "_JPLL", "_RLE")):
                image = image_of(dataset)
                frame = first_frame(dataset)
                samples = np.frombuffer(decode(syntax, image, frame).data, f"<u{image.bits_allocated // 8}")
                results[path.name] = (samples & (1 << image.bits_stored) - 1).tobytes()
        if len(results) > 1:
            assert len(set(results.values())) == 1, sorted(results)
            compared += len(results)
    assert compared >= 10


@needs_corpus
def test_twelve_bit_jpeg_with_wrong_scan_parameters_is_read() -> None:
    """Stock libjpeg refuses these; DCMTK's decoder reads them as we do."""
    path = SHARED_DATA / "transfer-syntaxes" / "wg04" / "XA1_JPLY"
    dataset = dcmread(path)
    frame = first_frame(dataset)
    with pytest.raises(RuntimeError):
        libjpeg.get_parameters(frame)
    samples = np.frombuffer(decode("1.2.840.10008.1.2.4.51", image_of(dataset), frame).data, "<u2")
    original = dcmread(path.with_name("XA1_RLE"))
    reference = np.frombuffer(decode(RLELossless, image_of(original), first_frame(original)).data, "<u2")
    assert np.abs(samples.astype(int) - reference.astype(int)).mean() < 4
