"""Each stage of the grayscale pipeline; what is expected was computed by hand from PS3.3 §C.11."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian

from pacs.pixels.frame import read_frame
from pacs.pixels.grayscale import octets, windowed
from pacs.pixels.parameters import Function, RenderParameters, Window
from tests.pacs.pixels.images import image, item, opened, shown

LINEAR, EXACT, SIGMOID = Function.LINEAR, Function.LINEAR_EXACT, Function.SIGMOID
RAMP = np.array([[0, 1, 2, 3, 4]], "<u2")


@pytest.mark.parametrize(
    ("window", "values", "expected"),
    [
        # ((x - 1.5) / 3 + 0.5) · 255, rounded
        (Window(2, 4, LINEAR), [-1, 0, 1, 2, 3, 4], [0, 0, 85, 170, 255, 255]),
        (Window(2, 4, EXACT), [-1, 0, 1, 2, 3, 4], [0, 0, 64, 128, 191, 255]),
        # 255 / (1 + e^(-4 (x - 2) / 4))
        (Window(2, 4, SIGMOID), [0, 1, 2, 3, 4], [30, 69, 128, 186, 225]),
        (Window(2, 1, LINEAR), [0, 1, 2, 3], [0, 0, 255, 255]),
        (Window(2, 0, LINEAR), [0, 1, 2, 3], [0, 0, 255, 255]),
        # narrower than a step, of values that slopes made small
        (Window(0.25, 0.5, LINEAR), [-0.25, 0, 0.125, 0.25, 0.5, 1], [0, 0, 64, 128, 255, 255]),
        (Window(2, 0, EXACT), [1, 2, 3], [0, 0, 255]),
        (Window(2, 0, SIGMOID), [1, 2, 3], [0, 0, 255]),
        (Window(2, -5, EXACT), [1, 2, 3], [0, 0, 255]),
        (Window(0, 1e-300, EXACT), [-1, 1], [0, 255]),
        (Window(0, 1e-300, SIGMOID), [-1, 1], [0, 255]),
        (Window(1e300, 1e300, LINEAR), [-1, 1], [0, 0]),
    ],
)
def test_window_functions(window: Window, values: list[float], expected: list[int]) -> None:
    with np.errstate(all="ignore"):
        assert octets(windowed(window)(np.array(values))).tolist() == expected


def test_in_floating_point_linear_is_taken_exactly() -> None:
    assert octets(windowed(Window(0.5, 1), is_float=True)(np.array([0.0, 0.5, 1.0]))).tolist() == [
        0,
        128,
        255,
    ]


def lut(first: int, bits: int, *entries: int) -> Dataset:
    data = np.array(entries, "<u2").tobytes()
    return item(LUTDescriptor=[len(entries), first, bits], LUTData=data)


def group(**macros: Dataset) -> Dataset:
    return item(**{name: [content] for name, content in macros.items()})


@pytest.mark.parametrize("where", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_that_would_end_behind_65535_begins_below_zero(where: str) -> None:
    """Some senders write US for what Pixel Representation makes SS."""
    table = lut(65536 - 2, 8, 0, 64, 128, 255)
    expected = [0, 0, 64, 128, 255]
    assert shown(image(RAMP.astype("<i2") - 3, **{where: [table]})).tolist() == [expected]


WHOLE = {"WindowCenter": 2, "WindowWidth": 4, "VOILUTFunction": "LINEAR_EXACT"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        # nothing said: least to greatest value
        ({}, [0, 64, 128, 191, 255]),
        (WHOLE, [0, 64, 128, 191, 255]),
        # the first of several
        (
            {"WindowCenter": [2, 100], "WindowWidth": [4, 1]} | {"VOILUTFunction": "LINEAR_EXACT"},
            [0, 64, 128, 191, 255],
        ),
        ({"WindowCenter": 2, "WindowWidth": 1}, [0, 0, 255, 255, 255]),
        # a width of zero is no window
        ({"WindowCenter": 2, "WindowWidth": 0}, [0, 64, 128, 191, 255]),
        # modality: 0, 2, 4, 6, 8 less 2
        ({"RescaleSlope": 2, "RescaleIntercept": -2} | WHOLE, [0, 0, 128, 255, 255]),
        ({"RescaleSlope": -1, "RescaleIntercept": 4} | WHOLE, [255, 191, 128, 64, 0]),
        # a slope of zero is not believed
        ({"RescaleSlope": 0, "RescaleIntercept": 0} | WHOLE, [0, 64, 128, 191, 255]),
        ({"ModalityLUTSequence": [lut(1, 16, 4, 3, 0)]} | WHOLE, [255, 255, 191, 0, 0]),
        # the table goes before the window
        ({"VOILUTSequence": [lut(1, 8, 10, 20, 30)]} | WHOLE, [10, 10, 20, 30, 30]),
        ({"VOILUTSequence": [lut(0, 12, 0, 4095, 2048, 1024, 512)]}, [0, 255, 128, 64, 32]),
        # padding has no part in the spread, but is shown
        ({"PixelPaddingValue": 4}, [0, 85, 170, 255, 255]),
        ({"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 1}, [0, 0, 0, 128, 255]),
    ],
)
def test_modality_and_voi(attributes: dict[str, Any], expected: list[int]) -> None:
    assert shown(image(RAMP, **attributes)).tolist() == [expected]


@pytest.mark.parametrize(
    ("values", "attributes", "expected"),
    [
        ([100, 150, 200], {}, [0, 128, 255]),
        ([100, 100, 100], {}, [0, 0, 0]),
        ([100, 150, 200], {"RescaleSlope": -2, "RescaleIntercept": 7}, [255, 128, 0]),
        ([-300, -200, -100], {"PixelRepresentation": 1}, [0, 128, 255]),
        # padding below, above and among what is to be seen, and where none occurs
        ([0, 100, 150, 200], {"PixelPaddingValue": 0}, [0, 0, 128, 255]),
        ([0, 9, 100, 150, 200], {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 20}, [0, 0, 0, 128, 255]),
        ([100, 150, 200, 900], {"PixelPaddingValue": 900}, [0, 128, 255, 255]),
        ([100, 150, 200], {"PixelPaddingValue": 150}, [0, 128, 255]),
        ([100, 150, 200], {"PixelPaddingValue": 900}, [0, 128, 255]),
        ([7, 7], {"PixelPaddingValue": 7}, [0, 0]),
        # the extremes of what is stored are not those of what it stands for
        ([0, 1, 2], {"ModalityLUTSequence": [lut(0, 16, 5, 0, 10)]}, [128, 0, 255]),
        ([0, 2, 1], {"ModalityLUTSequence": [lut(0, 16, 5, 9, 5)]}, [0, 0, 255]),
    ],
)
def test_without_a_window_all_that_occurs_is_seen(
    values: list[int], attributes: dict[str, Any], expected: list[int]
) -> None:
    stored = np.array([values], "<i2" if attributes.get("PixelRepresentation") else "<u2")
    assert shown(image(stored, **attributes)).tolist() == [expected]


@pytest.mark.parametrize(
    ("photometric", "shape", "inverse"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "LIN OD", True),
    ],
)
def test_polarity(photometric: str, shape: str | None, inverse: bool) -> None:
    dataset = image(RAMP, PhotometricInterpretation=photometric)
    if shape:
        dataset.PresentationLUTShape = shape
    upright = [0, 64, 128, 191, 255]
    assert shown(dataset).tolist() == [[255, 191, 128, 64, 0] if inverse else upright]


def test_a_wanted_window_goes_before_all_others() -> None:
    dataset = image(RAMP, VOILUTSequence=[lut(0, 8, 1, 1)], RescaleSlope=2, RescaleIntercept=0)
    assert shown(dataset, RenderParameters(Window(4, 1))).tolist() == [[0, 0, 255, 255, 255]]


def test_values_below_a_wanted_window_stay_below_it() -> None:
    """A table's unsigned entries less a whole number would wrap around."""
    dataset = image(RAMP, ModalityLUTSequence=[lut(0, 16, 0, 1, 2, 3, 4)])
    assert shown(dataset, RenderParameters(Window(2, 4, EXACT))).tolist() == [[0, 64, 128, 191, 255]]


def enhanced(per_frame: list[Dataset], shared: Dataset | None = None, **root: Any) -> Dataset:
    dataset = image(np.vstack([RAMP, RAMP]), **root)
    dataset.Rows, dataset.NumberOfFrames = 1, 2
    dataset.PerFrameFunctionalGroupsSequence = per_frame
    if shared is not None:
        dataset.SharedFunctionalGroupsSequence = [shared]
    return dataset


def threshold(at: int) -> Dataset:
    return item(WindowCenter=at, WindowWidth=1)


def philips(block: int, at: int) -> Dataset:
    """The private creator may reserve any block."""
    found = Dataset()
    found.add_new(0x20050000 | block, "LO", "Philips MR Imaging DD 005")
    found.add_new(0x2005000F | block << 8, "SQ", [threshold(at)])
    return found


@pytest.mark.parametrize(
    ("dataset", "dark"),
    [
        (
            enhanced([group(FrameVOILUTSequence=threshold(1)), group(FrameVOILUTSequence=threshold(3))]),
            [1, 3],
        ),
        (enhanced([Dataset(), Dataset()], group(FrameVOILUTSequence=threshold(2))), [2, 2]),
        (
            enhanced(
                [group(FrameVOILUTSequence=threshold(1)), Dataset()], group(FrameVOILUTSequence=threshold(2))
            ),
            [1, 2],
        ),
        (enhanced([Dataset(), Dataset()], None, WindowCenter=4, WindowWidth=1), [4, 4]),
    ],
)
def test_functional_groups(dataset: Dataset, dark: list[int]) -> None:
    for number, count in enumerate(dark):
        assert np.count_nonzero(shown(dataset, number=number) == 0) == count


def test_windows_in_philips_private_groups() -> None:
    dataset = enhanced([philips(0x14, 1), philips(0x21, 3)])
    assert [np.count_nonzero(shown(dataset, number=n) == 0) for n in (0, 1)] == [1, 3]


def test_rescale_in_functional_groups() -> None:
    rescale = [item(RescaleSlope=slope, RescaleIntercept=0, RescaleType="US") for slope in (1, 2)]
    groups = [group(PixelValueTransformationSequence=each) for each in rescale]
    dataset = enhanced(groups, None, WindowCenter=4, WindowWidth=1)
    assert [np.count_nonzero(shown(dataset, number=n) == 0) for n in (0, 1)] == [4, 2]


@pytest.mark.parametrize(
    ("pixels", "stored", "expected"),
    [
        (np.array([[-2, 0, 2]], "<i2"), 16, [0, 128, 255]),
        # four bits: 0xE is -2; what stands above them is not a value's
        (np.array([[0x5E, 0x30, 0x12]], "<i2"), 4, [0, 128, 255]),
        (np.array([[0xF000, 0xF001, 0x0002]], "<u2"), 12, [0, 128, 255]),
        (np.array([[-2, 0, 2]], "i1"), 8, [0, 128, 255]),
        (np.array([[0, 1 << 30, 1 << 31]], "<u4"), 32, [0, 128, 255]),
        (np.array([[-(1 << 31), 0, (1 << 31) - 1]], "<i4"), 32, [0, 128, 255]),
        # bytes are meant for a display
        (np.array([[0, 7, 255]], "u1"), 8, [0, 7, 255]),
        (np.array([[10, 20, 30]], "u1"), 8, [10, 20, 30]),
        (np.array([[1, 1, 1]], "<u2"), 16, [0, 0, 0]),
    ],
)
def test_bit_depths(pixels: np.ndarray, stored: int, expected: list[int]) -> None:
    assert shown(image(pixels, stored)).tolist() == [expected]


def test_high_bit() -> None:
    dataset = image(np.array([[0x00F, 0x010, 0x020]], "<u2"), 12)
    dataset.HighBit = 15
    assert shown(dataset).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_floating_point(keyword: str, dtype: str) -> None:
    """What is no number is black, and has no part in the spread."""
    values = np.array([[-1.5, np.nan, 0.0, np.inf, 1.5]], dtype)
    dataset = image(RAMP)
    del dataset.PixelData
    dataset.BitsAllocated = values.itemsize * 8
    setattr(dataset, keyword, values.tobytes())
    assert shown(dataset).tolist() == [[0, 0, 128, 255, 255]]


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("FloatPixelData", np.array([[-3.4e38, -1.7e38, 0.0, 1.7e38, 3.4e38]], "<f4")),
        ("DoubleFloatPixelData", np.array([[-0.8e308, -0.4e308, 0.0, 0.4e308, 0.8e308]], "<f8")),
    ],
)
def test_floating_point_of_all_magnitudes(keyword: str, values: NDArray[Any]) -> None:
    dataset = image(RAMP)
    del dataset.PixelData
    dataset.BitsAllocated = values.itemsize * 8
    setattr(dataset, keyword, values.tobytes())
    assert shown(dataset).tolist() == [[0, 64, 128, 191, 255]]


def test_a_spread_beyond_floating_point_is_not_flat() -> None:
    """Windows have a width that is a number: the ends are as black and as white as a little further in."""
    dataset = image(RAMP)
    del dataset.PixelData
    dataset.BitsAllocated = 64
    dataset.DoubleFloatPixelData = np.array([[-1.7e308, -0.4e308, 0.0, 0.4e308, 1.7e308]], "<f8").tobytes()
    assert shown(dataset).tolist() == [[0, 71, 128, 184, 255]]


@pytest.mark.parametrize(
    ("kind", "dtype", "limits", "expected"),
    [
        ("Float", "<f4", {"Value": -1e30}, [0, 0, 128, 255, 255]),
        ("DoubleFloat", "<f8", {"Value": -1e300}, [0, 0, 128, 255, 255]),
        ("Float", "<f4", {"Value": -1e30, "RangeLimit": -1}, [0, 0, 0, 255, 255]),
    ],
)
def test_padding_in_floating_point(
    kind: str, dtype: str, limits: dict[str, Any], expected: list[int]
) -> None:
    values = np.array([[limits["Value"], -1, 0, 1, 1]], dtype)
    dataset = image(RAMP, **{f"{kind}PixelPadding{word}": value for word, value in limits.items()})
    del dataset.PixelData
    dataset.BitsAllocated = values.itemsize * 8
    setattr(dataset, f"{kind}PixelData", values.tobytes())
    assert shown(dataset).tolist() == [expected]


def test_single_bits() -> None:
    """Frames that end within a byte."""
    bits = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]], "u1")
    dataset = image(bits)
    dataset.Rows, dataset.NumberOfFrames = 1, 4
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    dataset.PixelData = np.packbits(bits, bitorder="little").tobytes()
    for number in range(4):
        assert (shown(dataset, number=number) == bits[number : number + 1] * 255).all()


@pytest.mark.parametrize(
    ("pixels", "vr"),
    [
        (RAMP, "OW"),
        (np.arange(15, dtype="u1").reshape(3, 5), "OW"),
        (np.arange(15, dtype="u1").reshape(3, 5), "OB"),
    ],
)
def test_big_endian(pixels: np.ndarray, vr: str) -> None:
    """Frames of odd length begin within a word, whose bytes change places."""
    dataset = image(pixels)
    frames = pixels.shape[0]
    dataset.Rows, dataset.NumberOfFrames = 1, frames
    data = pixels.tobytes() + bytes(pixels.nbytes % 2)
    if vr == "OW":
        data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
    del dataset.PixelData
    dataset.add_new(0x7FE00010, vr, data)
    header, index = opened(dataset, ExplicitVRBigEndian)
    for number in range(frames):
        assert read_frame(header, index, number).data == pixels[number].tobytes()
