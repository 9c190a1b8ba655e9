"""The built-in viewer's picture is the server's: each pixel within a grey level of `rendered`.

Colour in baseline JPEG is decoded by the browser, whose rounding and upsampling of chroma are its own:
there the mean is, and no pixel is far off.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

from tests.conformance import phantom
from tests.conformance.browser import PATIENCE, browser, needs_chromium, page
from tests.conformance.server import Server
from tests.corpus import corpus_files, needs_corpus

pytestmark = needs_chromium

COMPARE = """
async ([base, study, series]) => {
  const load = (path) => import(`${base}/${path}`);
  const [{ Metadata }, { imagesOf }, { Frames }, { Developer }] = await Promise.all(
    ["viewer/metadata.js", "viewer/image.js", "viewer/frames.js", "viewer/develop.js"].map(load));
  const metadata = new Metadata();
  const arrivals = new Map();
  const frames = new Frames((image) => arrivals.get(image)());
  const arrived = (image) => new Promise((resolve) => {
    arrivals.set(image, resolve);
    frames.want("test", [image]);
  });
  const pixelsOf = async (blob, { columns, rows }) => {
    const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    const { width, height } = bitmap;
    if (width !== columns || height !== rows) throw new Error(`${width} by ${height}`);
    const context = new OffscreenCanvas(columns, rows).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, columns, rows).data;
  };
  const compared = async (image) => {
    await arrived(image);
    const frame = frames.get(image);
    const answer = await fetch(`${image.url}/rendered`, { headers: { Accept: "image/png" } });
    const problem = frames.problem(image)?.message;
    if (!frame || !answer.ok) return { problem, status: answer.status, shown: Boolean(frame) };
    const drawn = new Uint32Array(image.rows * image.columns);
    new Developer().develop(drawn, image, frame, await image.tables());
    const mine = new Uint8Array(drawn.buffer);
    const theirs = await pixelsOf(await answer.blob(), image);
    let most = 0, sum = 0;
    for (let at = 0; at < mine.length; at++) {
      const off = Math.abs(mine[at] - theirs[at]);
      sum += off;
      if (off > most) most = off;
    }
    return { most, mean: sum / mine.length, byBrowser: frame.byBrowser };
  };
  const found = [];
  for (const dataset of await metadata.read(study, series)) {
    const images = imagesOf(dataset);
    const some = [...new Set([0, images.length >> 1, images.length - 1])].filter((at) => at in images);
    for (const at of some) {
      const failed = (error) => ({ problem: String(error), status: 200, shown: true });
      const sop = dataset["00080018"].Value[0];
      found.push({ sop, frame: at + 1, ...(await compared(images[at]).catch(failed)) });
    }
  }
  metadata.close();
  frames.close();
  return found;
}"""


def compared(server: Server, opened: Any) -> list[dict[str, Any]]:
    """The first, the middle and the last frame of every image there is."""
    base = opened.get_attribute("link[rel=icon]", "href").rsplit("/", 1)[0]
    found: list[dict[str, Any]] = []
    for series in server.get("/dicom-web/series?limit=1000")[1].json():
        study, uid = (series[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
        found += opened.evaluate(COMPARE, [base, study, uid])
    return found


WITH = (
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTFunction",
    "PresentationLUTShape",
    "PixelPaddingValue",
    "SharedFunctionalGroupsSequence",
    "SegmentedRedPaletteColorLookupTableData",
    "PixelPresentation",
)
MOST_BYTES = 2 << 20


def kind_of(ds: Dataset) -> tuple[object, ...]:
    """Files of one kind take the same way to the screen."""
    said = ("PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    overlaid = any(group << 16 | 0x10 in ds for group in range(0x6000, 0x6020, 2))
    of_pixels = [tag in ds for tag in (0x7FE00008, 0x7FE00009)]
    syntax = ds.file_meta.get("TransferSyntaxUID")
    return (
        syntax,
        *(str(ds.get(each)) for each in said),
        *(each in ds for each in WITH),
        overlaid,
        *of_pixels,
    )


def one_of_each_kind() -> list[Path]:
    found: dict[tuple[object, ...], Path] = {}
    for path in corpus_files():
        try:
            with warnings.catch_warnings(action="ignore"):
                ds = dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, EOFError, OSError, ValueError, AttributeError, NotImplementedError):
            continue  # what cannot be read here need not be shown
        if "Rows" in ds and path.stat().st_size < MOST_BYTES:
            found.setdefault(kind_of(ds), path)
    return list(found.values())


def _lut(first: int, values: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [len(values), first, bits])
    item.add_new("LUTData", "OW", np.array(values, "<u2").tobytes())
    item.ModalityLUTType = "US"
    return item


FINE = {"RescaleSlope": "0.0005", "RescaleIntercept": "0"}
SIGNED = {"PixelRepresentation": 1}
RISING = _lut(-500, list(range(0, 4096, 4)), 12)
FALLING = _lut(-500, list(range(2000, 0, -2)), 16)


def generated(study: Dataset) -> Iterator[tuple[str, Dataset]]:
    """What the corpus lacks."""
    ramp = np.linspace(-500, 500, 64 * 64).reshape(64, 64)
    whole, unit = ramp.astype(np.int16), ramp.astype(np.float32) / 500
    for name, pixels, attributes in (
        ("inverse", whole, {"PresentationLUTShape": "INVERSE"}),
        ("identity", whole, {"PresentationLUTShape": "IDENTITY", "PhotometricInterpretation": "MONOCHROME1"}),
        ("sigmoid", whole, {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"}),
        ("exact", whole, {"WindowCenter": 40, "WindowWidth": 4, "VOILUTFunction": "LINEAR_EXACT"}),
        ("threshold", whole, {"WindowCenter": 40, "WindowWidth": 1}),
        ("narrow", whole, {"WindowCenter": 0.1, "WindowWidth": 0.2, **FINE}),
        ("unknown", whole, {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "CUBIC"}),
        ("second", whole, {"WindowCenter": [40, 90], "WindowWidth": [400, 10]}),
        ("padded", whole, {"PixelPaddingValue": -500, "PixelPaddingRangeLimit": -200}),
        ("all padding", whole, {"PixelPaddingValue": -500, "PixelPaddingRangeLimit": 500}),
        ("table", whole, {"VOILUTSequence": [RISING], "WindowCenter": 0, "WindowWidth": 2}),
        ("falling table", whole, {"ModalityLUTSequence": [FALLING]}),
        ("high bits", (whole.view(np.uint16) & 0xFFF) << 4, {"BitsStored": 12, "HighBit": 15, **SIGNED}),
        ("twenty bits", (ramp * 1000).astype("i4") & 0xFFFFF, {"BitsStored": 20, "HighBit": 19, **SIGNED}),
        ("float", unit, {}),
        ("float window", unit, {"WindowCenter": 0.25, "WindowWidth": 1}),
        ("float padding", unit, {"FloatPixelPaddingValue": -1.0, "FloatPixelPaddingRangeLimit": -0.5}),
        ("float nan", np.where(unit > 0.5, np.float32("nan"), unit), {}),
        ("double", unit.astype(np.float64) * 1e-9, {"DoubleFloatPixelPaddingValue": -1e-9}),
    ):  # fmt: skip
        yield name, made(study, name, pixels, attributes)
    yield "per frame", per_frame(study)
    yield "segment", segment(study)
    shares = {"SegmentationType": "FRACTIONAL", "MaximumFractionalValue": 100}
    yield "fractional", made(study, "fractional", np.full((4, 4), 60, np.uint8), shares)


def made(study: Dataset, name: str, pixels: NDArray[Any], attributes: dict[str, Any]) -> Dataset:
    ds = phantom.data_set(
        SecondaryCaptureImageStorage, study, generate_uid(), 1, Modality="OT", SeriesDescription=name
    )
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    if pixels.dtype.kind == "f":
        setattr(ds, {32: "FloatPixelData", 64: "DoubleFloatPixelData"}[ds.BitsAllocated], pixels.tobytes())
    else:
        ds.BitsStored, ds.PixelRepresentation = ds.BitsAllocated, int(pixels.dtype.kind == "i")
        ds.HighBit, ds.PixelData = ds.BitsStored - 1, pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def per_frame(study: Dataset) -> Dataset:
    """Three frames: a group of its own, one without what is asked for, and the shared one's."""
    frames = np.tile(np.arange(0, 256, 4, dtype=np.uint16), (3, 64, 1))
    ds = made(study, "per frame", frames, {"NumberOfFrames": 3, "PresentationLUTShape": "INVERSE"})
    ds.PerFrameFunctionalGroupsSequence = [_group(100, 50, 2), Dataset(), _group(30, 10, None)]
    ds.SharedFunctionalGroupsSequence = [_group(60, 120, 3)]
    return ds


def segment(study: Dataset) -> Dataset:
    """Single bits, whose frames begin within a byte; the second frame is all segment."""
    bits = np.array([np.eye(5, 7), np.ones((5, 7)), np.zeros((5, 7))], np.uint8)
    attributes = {"NumberOfFrames": 3, "SegmentationType": "BINARY", "BitsAllocated": 1, "BitsStored": 1}
    ds = made(study, "segment", bits, attributes)
    ds.HighBit, ds.PixelData = 0, np.packbits(bits, bitorder="little").tobytes()
    return ds


def _group(center: float, width: float, slope: float | None) -> Dataset:
    group, voi, values = Dataset(), Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = center, width
    group.FrameVOILUTSequence = [voi]
    if slope is not None:
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, -10, "US"
        group.PixelValueTransformationSequence = [values]
    return group


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "files").mkdir()
    server = Server(tmp_path / "data", {"PACS_OPEN": "1"})
    server.start()
    yield server
    server.stop()


@needs_corpus
def test_real_images_are_shown_as_the_server_renders_them(server: Server, tmp_path: Path) -> None:
    """What the server cannot decode either is shown by neither."""
    for path in one_of_each_kind():
        (tmp_path / "files" / path.name).write_bytes(path.read_bytes())
    server.quick_command("import", str(tmp_path / "files"), code=1)  # some are refused
    with browser() as started:
        opened = started.new_page()
        opened.goto(server.url, timeout=PATIENCE * 1000)
        found = compared(server, opened)
    pictures = [each for each in found if "most" in each]
    assert len(pictures) > 100, (len(found), found[:3])
    assert [each for each in found if "most" not in each and (each["shown"] or each["status"] == 200)] == []
    by_browser = [each for each in pictures if each["byBrowser"]]
    assert [each for each in pictures if not each["byBrowser"] and each["most"] > 1] == []
    assert by_browser and [each for each in by_browser if each["mean"] > 0.5 or each["most"] > 16] == []


def test_generated_images_are_shown_as_the_server_renders_them(server: Server, tmp_path: Path) -> None:
    study = phantom.study(phantom.patient("Phantom^Greta", "LB-3", "", ""), "20261121", "Looks", "")
    names = {}
    for name, ds in generated(study):
        (tmp_path / "files" / f"{name}.dcm").write_bytes(phantom.file_bytes(ds))
        names[str(ds.SOPInstanceUID)] = name
    server.quick_command("import", str(tmp_path / "files"))
    with browser() as started, page(started, server.url) as opened:
        found = compared(server, opened)
    assert {each["sop"] for each in found} == names.keys() and len(found) == len(names) + 4
    assert [(names[each["sop"]], each) for each in found if each.get("most", 255) > 1] == []
