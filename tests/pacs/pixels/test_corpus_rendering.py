"""Every image of the corpus against an independent renderer: same geometry, mean grey within a level.

The renderer is DCMTK's; what its tools do not decode is decoded by pydicom first, and what they do
not render at all has its formula here. What nobody can decode is listed with the reason.
"""

from __future__ import annotations

import io
import subprocess
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array
from pydicom.uid import ExplicitVRLittleEndian

from pacs.dicom.frames import FrameIndex, frame_index
from pacs.dicom.header import Header
from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from pacs.errors import InvalidDataSet, NotConvertible
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import DEFAULT_PARAMETERS, Function, RenderParameters, Window
from pacs.pixels.render import render
from tests.corpus import SHARED_DATA, corpus_files, needs_corpus
from tests.programs import needs

Renderer = Callable[[Any, int], np.ndarray]
BARE = RenderParameters(overlays=False)
"""What DCMTK shows with `-O`."""

BIG_ENDIAN = "1.2.840.10008.1.2.2"

pytestmark = [
    needs_corpus,
    needs("dcm2pnm"),
]

REFUSED = {
    "odd/3gb-bulk-data-truncated": "larger than what is decoded",  # and ends after a few bytes
    "odd/MR_truncated.dcm": "shorter than the data set says",
    "odd/genFile.dcm": "damaged",  # eight bytes of text instead of a JPEG
    "odd/invalid_compression.dcm": "damaged",  # no JPEG in it
    "odd/meta_missing_tsyntax.dcm": "Rows, Columns",  # pixel data without an image's attributes
    "odd/nested_priv_SQ.dcm": "Rows, Columns",
    "odd/no-header_explicit_two-pass_.dcm": "decoded here",
    "transfer-syntaxes/JPEG2000-embedded-sequence-delimiter.dcm": "damaged",
    "transfer-syntaxes/will-jxl.dcm": "cannot be decoded here",  # JPEG XL
    "video/dv_video_h264.dcm": "cannot be decoded here",
    "video/dv_video_hevc.dcm": "cannot be decoded here",
    "video/dv_video_mpeg2.dcm": "cannot be decoded here",
}
"""Files with pixel data that cannot be rendered, and what is said of them."""

DECODERS = {
    "1.2.840.10008.1.2.4.5": "dcmj2pnm",
    "1.2.840.10008.1.2.4.7": "dcmj2pnm",
    "1.2.840.10008.1.2.4.8": "dcml2pnm",
    "1.2.840.10008.1.2.4.9": None,
    "1.2.840.10008.1.2.4.20": None,
    "1.2.840.10008.1.2.8": None,
}
"""Transfer syntax (its beginning) → the tool that decodes it; None: pydicom."""


def opened(path: Path) -> tuple[Header, FrameIndex | None]:
    source = BytesSource(path.read_bytes())
    part10 = read_part10(source)
    header = read_header(source, part10.transfer_syntax, part10.dataset_offset)
    return header, frame_index(header, source)


def images() -> list[str]:
    found = []
    for path in corpus_files():
        try:
            _, index = opened(path)
        except InvalidDataSet:
            continue
        if index is not None:
            found.append(str(path.relative_to(SHARED_DATA)))
    return found


IMAGES = images()


@pytest.mark.parametrize("name", [name for name in IMAGES if name not in REFUSED])
def test_renders_as_elsewhere(name: str, tmp_path: Path) -> None:
    header, index = opened(SHARED_DATA / name)
    assert index is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        elsewhere = Elsewhere(SHARED_DATA / name, header, tmp_path)
        for number in sorted({0, len(index) // 2}):
            mine = render(header, read_frame(header, index, number), number, BARE).pixels
            theirs = elsewhere.rendered(number)
            if theirs.ndim == 3 and mine.ndim == 2:
                theirs = theirs[..., 0]
            assert mine.shape == theirs.shape
            assert np.abs(mine.mean((0, 1)) - theirs.mean((0, 1))).max() <= 1


@pytest.mark.parametrize("name", REFUSED)
def test_what_nobody_decodes_is_refused_with_a_reason(name: str) -> None:
    header, index = opened(SHARED_DATA / name)
    assert index is not None
    with pytest.raises(NotConvertible, match=REFUSED[name]):
        render(header, read_frame(header, index, 0), 0, DEFAULT_PARAMETERS)


class Elsewhere:
    """One file as others render it."""

    def __init__(self, path: Path, header: Header, workspace: Path) -> None:
        self.path = path
        self.workspace = workspace
        self.syntax = header.transfer_syntax

    @cached_property
    def dataset(self) -> Dataset:
        return dcmread(self.path, force=True)

    def rendered(self, number: int) -> np.ndarray:
        name = self.path.name
        if name in SPREAD_BY_DCMTK:
            return self.by_dcmtk(self.path, "dcm2pnm", ["+Wm"], number)
        own = OTHERS.get(name)
        if (
            own is None
            and "RedPaletteColorLookupTableDescriptor" in self.dataset
            and self.dataset.PhotometricInterpretation == "MONOCHROME2"
        ):
            own = supplemental
        if own is None and self.dataset.BitsAllocated == 1 and self.syntax != BIG_ENDIAN:
            own = single_bits
        if own is not None:
            return own(self.dataset, number)
        tool, path = self.readable()
        return self.by_dcmtk(path, tool, self.windowing(number), number)

    def by_dcmtk(
        self, path: Path, tool: str, windowing: list[str], number: int, overlays: tuple[str, ...] = ("-O",)
    ) -> np.ndarray:
        arguments = [tool, *overlays, *windowing, "+F", str(number + 1), "+op", "+Ma", str(path)]
        run = subprocess.run(arguments, capture_output=True, check=False)
        assert run.stdout, run.stderr.decode()
        return np.asarray(Image.open(io.BytesIO(run.stdout)))

    def readable(self) -> tuple[str, Path]:
        """The tool, and the file or, where the tool cannot read it, an uncompressed copy."""
        tool = next((tool for uid, tool in DECODERS.items() if self.syntax.startswith(uid)), "dcm2pnm")
        if tool is not None and self.path.name not in REWRITTEN:
            return tool, self.path
        copy = self.workspace / "uncompressed.dcm"
        if not copy.exists():
            if self.dataset.file_meta.TransferSyntaxUID.is_compressed:
                decompress(self.dataset)
            reduced(self.dataset).save_as(copy, implicit_vr=False, little_endian=True)
        return "dcm2pnm", copy

    def windowing(self, number: int) -> list[str]:
        dataset = self.dataset
        if "VOILUTSequence" in dataset:
            return ["+Wl", "1"]
        if window := window_of(dataset, number):
            center, width, function = window
            return ["+Ww", str(center), str(width), "+Wfs" if function == "SIGMOID" else "+Wfl"]
        bytes_for_display = dataset.BitsStored == 8 and not dataset.PixelRepresentation
        if bytes_for_display and dataset.get("Modality") != "SEG":
            return []
        return self.without_padding(number) if "PixelPaddingValue" in dataset else ["+Wm"]

    def without_padding(self, number: int) -> list[str]:
        values = pixel_array(self.dataset, index=number)
        kept = apply_modality_lut(values, self.dataset)[values != self.dataset.PixelPaddingValue]
        low, high = float(kept.min()), float(kept.max())
        return ["+Ww", str((low + high + 1) / 2), str(high - low + 1)]


def functional(dataset: Dataset, number: int, macro: str) -> Dataset | None:
    """The macro's item for a frame."""
    frames, shared = (dataset.get(f"{kind}FunctionalGroupsSequence") for kind in ("PerFrame", "Shared"))
    for group in [*(frames or [])[number : number + 1], *(shared or [])]:
        if group.get(macro):
            return group[macro][0]
    return None


def window_of(dataset: Dataset, number: int) -> tuple[float, float, str] | None:
    holder = functional(dataset, number, "FrameVOILUTSequence") or dataset
    values = [holder.get(name) for name in ("WindowCenter", "WindowWidth")]
    first = [value if isinstance(value, int | float) else (value or [None])[0] for value in values]
    if first[0] is None or not first[1]:
        return None
    return float(first[0]), float(first[1]), holder.get("VOILUTFunction") or "LINEAR"


def rescale_of(dataset: Dataset, number: int) -> tuple[float, float]:
    item = functional(dataset, number, "PixelValueTransformationSequence")
    return (float(item.RescaleSlope), float(item.RescaleIntercept)) if item else (1.0, 0.0)


def windowed(dataset: Dataset, number: int, values: np.ndarray) -> np.ndarray:
    """The linear function of PS3.3 §C.11.2.1.2.1, from 0 to 255."""
    center, width, _ = window_of(dataset, number) or (0, 1, "")
    slope, intercept = rescale_of(dataset, number)
    return np.clip((values * slope + intercept - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255


def decompress(dataset: Dataset) -> None:
    """JPEG 2000 by another library than ours, as far as that one goes."""
    try:
        dataset.decompress(decoding_plugin="pillow", generate_instance_uid=False)
    except (RuntimeError, ValueError, NotImplementedError):
        dataset.decompress(generate_instance_uid=False)


def reduced(dataset: Dataset) -> Dataset:
    """Only what has to do with the image: some headers cannot be written again."""
    kept = Dataset()
    kept.file_meta = dataset.file_meta
    kept.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in IMAGE_ATTRIBUTES:
        if keyword in dataset:
            kept[keyword] = dataset[keyword]
    return kept


def single_bits(dataset: Dataset, number: int) -> np.ndarray:
    return pixel_array(dataset, index=number) * 255


def as_in(name: str) -> Renderer:
    """The image before it was compressed or damaged."""
    return lambda _, number: single_or_windowed(dcmread(SHARED_DATA / name), number)


def single_or_windowed(dataset: Dataset, number: int) -> np.ndarray:
    values = pixel_array(dataset, index=number)
    if dataset.BitsAllocated == 1:
        return values * 255
    return windowed(dataset, number, values) if window_of(dataset, number) else spread(values)


def spread(values: np.ndarray) -> np.ndarray:
    return (values.astype(float) - values.min()) / np.ptp(values) * 255


def float_map(dataset: Dataset, number: int) -> np.ndarray:
    """LINEAR_EXACT, whatever the data set calls it."""
    center, width, _ = window_of(dataset, number) or (0, 1, "")
    return np.clip((pixel_array(dataset, index=number) - center) / width + 0.5, 0, 1) * 255


def wide_rgb(dataset: Dataset, number: int) -> np.ndarray:
    return pixel_array(dataset, index=number) >> 24


def palette_16(dataset: Dataset, number: int) -> np.ndarray:
    return apply_color_lut(pixel_array(dataset, index=number), dataset) >> 8


def supplemental(dataset: Dataset, number: int) -> np.ndarray:
    """Values from the first one in the palette on are coloured, those below are windowed."""
    values = pixel_array(dataset, index=number).astype(int)
    grey = windowed(dataset, number, values)
    entries, first, _ = dataset.RedPaletteColorLookupTableDescriptor
    tables = [
        np.frombuffer(dataset[f"{colour}PaletteColorLookupTableData"].value, "<u2")
        for colour in ("Red", "Green", "Blue")
    ]
    colours = np.stack([table[np.clip(values - first, 0, entries - 1)] >> 8 for table in tables], -1)
    return np.where((values >= first)[..., None], colours, grey[..., None])


OTHERS: dict[str, Renderer] = {
    "parametric_map_float.dcm": float_map,
    "parametric_map_double_float.dcm": float_map,
    "SC_rgb_32bit_2frame.dcm": wide_rgb,
    "gdcm-US-ALOKA-16.dcm": palette_16,
    "liver_rle.dcm": as_in("seg/liver.dcm"),
    "liver_deflate.dcm": as_in("seg/liver.dcm"),
    "liver_nonbyte_aligned_deflate.dcm": as_in("seg/liver_nonbyte_aligned.dcm"),
    "emri_small_jpeg_2k_lossless_too_short.dcm": as_in("enhanced/emri_small_jpeg_2k_lossless.dcm"),
    "rtdose_expb.dcm": as_in("rt/rtdose.dcm"),
    "rtdose_expb_1frame.dcm": as_in("rt/rtdose_1frame.dcm"),
}
"""What DCMTK does not render: floating point, 32 bits, segmented palettes, deflated frames, …"""

REWRITTEN = {
    "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm",
    "FreezePattern.dcm",
    "GH364.dcm",
    "IM00001.fragmented_no_bot_jpeg_baseline.50.dcm",
    "JLSL_08_07_0_1F.dcm",
    "SC_rgb_jpeg.dcm",
}
"""What DCMTK does not read to the end, or not decode."""

SPREAD_BY_DCMTK = {"GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm", "badVR.dcm"}
"""What pydicom cannot read; neither has a window."""

IMAGE_ATTRIBUTES = (
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "PresentationLUTShape",
    "SharedFunctionalGroupsSequence",
    "PixelData",
)


@pytest.mark.parametrize("function", Function)
@pytest.mark.parametrize(
    "name",
    [
        "ct/CT_small.dcm",
        "mr/MR01.dcm",
        "xray/OutOfBoundsOverlay.dcm",
        "pr-lut/mlut_18.dcm",
        "transfer-syntaxes/wg04/XA1_JPLL",
    ],
)
def test_wanted_windows_as_elsewhere(name: str, function: Function) -> None:
    """DCMTK knows no LINEAR_EXACT, which is LINEAR with another center and width."""
    header, index = opened(SHARED_DATA / name)
    assert index is not None
    parameters = RenderParameters(Window(300, 500, function), overlays=False)
    mine = render(header, read_frame(header, index, 0), 0, parameters)
    exact = function is Function.LINEAR_EXACT
    arguments = ["+Ww", "300.5" if exact else "300", "501" if exact else "500"]
    arguments.append("+Wfs" if function is Function.SIGMOID else "+Wfl")
    elsewhere = Elsewhere(SHARED_DATA / name, header, Path())
    tool, path = elsewhere.readable()
    theirs = elsewhere.by_dcmtk(path, tool, arguments, 0)
    assert abs(mine.pixels.mean() - theirs.mean()) <= 1
    assert np.abs(mine.pixels.astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("name", ["pr-lut/overlay.dcm", "xray/OutOfBoundsOverlay.dcm"])
def test_overlays_as_elsewhere(name: str) -> None:
    header, index = opened(SHARED_DATA / name)
    assert index is not None
    frame = read_frame(header, index, 0)
    mine, bare = (
        render(header, frame, 0, RenderParameters(overlays=shown)).pixels for shown in (True, False)
    )
    elsewhere = Elsewhere(SHARED_DATA / name, header, Path())
    tool, path = elsewhere.readable()
    windowing = elsewhere.windowing(0)
    theirs = elsewhere.by_dcmtk(path, tool, windowing, 0, ("+O", "0"))
    assert (mine != bare).any()
    assert abs(mine.mean() - theirs.mean()) <= 1
