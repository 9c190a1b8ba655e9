"""Waveforms in the viewer are drawn to scale, whatever they claim; structures say of what they are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, RTStructureSetStorage, generate_uid

from tests.conformance import phantom
from tests.conformance.browser import needs_chromium, page, painted, until
from tests.conformance.server import Server

SECONDS, MILLIMETRES = 10, 250
"""Across a strip, at 25 mm/s."""
TRACE = """(canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const lit = [];
  for (let at = 0; at < width * height; at++)
    if (data[4 * at] > 180) lit.push([at % width, Math.floor(at / width)]);
  const rows = lit.map(([, y]) => y);
  const [top, bottom] = [rows.reduce((a, b) => Math.min(a, b)), rows.reduce((a, b) => Math.max(a, b))];
  const peak = lit.filter(([, y]) => y === top).map(([x]) => x);
  return { millimetre: width / 250, tall: bottom - top, peak: peak[0] };
}"""
"""Of a strip, in its pixels: how tall the trace is, and where it is highest."""

pytestmark = needs_chromium


@dataclass(frozen=True)
class Held:
    server: Server
    studies: dict[str, str]

    def view(self, name: str) -> str:
        return f"{self.server.url}/view?StudyInstanceUIDs={self.studies[name]}"


def ecg() -> Dataset:
    """Twelve leads, 10 s at 1 kHz in steps of 1.25 µV; and an average beat."""
    found = dcmread(str(get_testdata_file("waveform_ecg.dcm")))
    return found


def changed(**attributes: object) -> Dataset:
    """Attributes of its first group, changed."""
    ds = ecg()
    for name, value in attributes.items():
        setattr(ds.WaveformSequence[0], name, value)
    return ds


def big_endian() -> Dataset:
    ds = ecg()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    for group in ds.WaveformSequence:
        group.WaveformData = np.frombuffer(group.WaveformData, "<i2").astype(">i2").tobytes()
    return ds


def pressure() -> Dataset:
    """Its first channel in other units, its second without any."""
    ds = ecg()
    channels = ds.WaveformSequence[0].ChannelDefinitionSequence
    channels[0].ChannelSensitivityUnitsSequence[0].CodeValue = "mm[Hg]"
    del channels[1].ChannelSensitivity
    del channels[1].ChannelSensitivityUnitsSequence
    channels[2].ChannelSensitivity = "100"  # 80 times as much
    return ds


def long() -> Dataset:
    """Twenty-five seconds, after ten of them upside down."""
    ds = ecg()
    group = ds.WaveformSequence[0]
    samples = np.frombuffer(group.WaveformData, "<i2")
    group.WaveformData = np.concatenate([samples, -samples, samples[: 12 * 5000]]).astype("<i2").tobytes()
    group.NumberOfWaveformSamples = 25_000
    return ds


def structures(study: Dataset, image: Dataset) -> Dataset:
    ds = phantom.data_set(RTStructureSetStorage, study, generate_uid(), 1, Modality="RTSTRUCT")
    series, frame, referred, named = Dataset(), Dataset(), Dataset(), Dataset()
    named.ReferencedSOPClassUID, named.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    series.SeriesInstanceUID, series.ContourImageSequence = image.SeriesInstanceUID, [named]
    referred.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.2"
    referred.ReferencedSOPInstanceUID = study.StudyInstanceUID
    referred.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = generate_uid(), [referred]
    ds.ReferencedFrameOfReferenceSequence, ds.StructureSetLabel = [frame], "Plan"
    return ds


MADE: dict[str, Callable[[], Dataset]] = {
    "ecg": ecg,
    "big endian": big_endian,
    "pressure": pressure,
    "long": long,
    "endless": lambda: changed(NumberOfWaveformSamples=2**31),
    "too few channels": lambda: changed(NumberOfWaveformChannels=11),
    "no rate": lambda: changed(SamplingFrequency="0"),
    "no data": lambda: changed(WaveformData=b""),
    "other samples": lambda: changed(WaveformSampleInterpretation="MB"),
}


@pytest.fixture(scope="module")
def held(open_archive: Server, tmp_path_factory: pytest.TempPathFactory) -> Held:
    files = tmp_path_factory.mktemp("waveforms")
    studies = {}
    for name, make in MADE.items():
        ds = make()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (generate_uid() for _ in range(3))
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        studies[name] = ds.StudyInstanceUID
        list(ds.iterall())  # decoded, for another byte order
        big = ds.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
        dcmwrite(files / f"{name}.dcm", ds, implicit_vr=False, little_endian=not big, force_encoding=True)
    study = phantom.study(phantom.patient("Plan^P", "P-1", "19600101", "F"), "20261120", "Plan", "")
    image = next(phantom.ct(study, 1, 32, "Planning CT"))
    studies["structures"] = study.StudyInstanceUID
    open_archive.quick_command("import", str(files))
    open_archive.bring_in(image, structures(copy.deepcopy(study), image))
    return Held(open_archive, studies)


@pytest.mark.parametrize("name", ["ecg", "big endian"])
def test_leads_are_drawn_to_scale(held: Held, chromium: Any, name: str) -> None:
    expected = ecg().waveform_array(0)[: SECONDS * 1000] / 1000  # mV
    with page(chromium, held.view(name)) as opened:
        until(opened, "document.querySelectorAll('.waveform canvas').length === 24")
        painted(opened)
        shown = opened.inner_text(".document")
        assert "25 mm/s · 10 mm/mV" in shown
        assert "RITMO SINUSALE" in shown, "what the device says of it"
        labels = opened.locator(".waveform figcaption").all_inner_texts()
        leads = ["I (Einthoven)", "II", "III", "aVR", "aVL", "aVF", *(f"V{number}" for number in range(1, 7))]
        assert labels[:12] == [f"Lead {each}" for each in leads]
        for lead, canvas in enumerate(opened.locator(".waveform canvas").all()[:12]):
            drawn = canvas.evaluate(TRACE)
            millimetre, values = drawn["millimetre"], expected[:, lead]
            assert drawn["tall"] == pytest.approx(np.ptp(values) * 10 * millimetre, abs=3)
            peaks = np.flatnonzero(values > values.max() - 2 / (10 * millimetre))
            nearest = np.abs(peaks / 1000 * 25 * millimetre - drawn["peak"]).min()
            assert nearest < 3, labels[lead]
        heights = [each.bounding_box()["height"] for each in opened.locator(".waveform figure").all()]
        assert min(heights) > 40, "one below the other"


def test_what_is_no_voltage_has_a_scale_of_its_own(held: Held, chromium: Any) -> None:
    with page(chromium, held.view("pressure")) as opened:
        until(opened, "document.querySelectorAll('.waveform figcaption').length === 24")
        labels = opened.locator(".waveform figcaption").all_inner_texts()
        assert "mm[Hg]" in labels[0]
        assert labels[1] == "Lead II · no scale"
        assert labels[2].startswith("Lead III · 0.")
        assert labels[2].endswith(" mm/mV")
        assert labels[3] == "Lead aVR"


def test_what_is_longer_is_turned_over(held: Held, chromium: Any) -> None:
    with page(chromium, held.view("long")) as opened:
        until(opened, "document.querySelectorAll('.waveform canvas').length === 24")
        lead = opened.locator(".waveform canvas").nth(1)
        painted(opened)
        before = lead.evaluate(TRACE)
        later = opened.get_by_role("button", name="Later")
        assert "0–10 s of 25 s" in opened.inner_text(".document")
        later.click()
        assert "10–20 s of 25 s" in opened.inner_text(".document")
        painted(opened)
        turned = lead.evaluate(TRACE)
        assert turned["tall"] == pytest.approx(before["tall"], abs=2)
        assert turned["peak"] != before["peak"]
        later.click()
        assert "20–25 s of 25 s" in opened.inner_text(".document")
        assert later.is_disabled()


def test_claims_are_not_believed(held: Held, chromium: Any) -> None:
    with page(chromium, held.view("endless")) as opened:
        until(opened, "document.querySelectorAll('.waveform canvas').length === 24")
        assert "Only the first 10 s are here" in opened.inner_text(".document")


def test_what_is_taller_than_the_pane_is_read_by_keyboard(held: Held, chromium: Any) -> None:
    with page(chromium, held.view("ecg")) as opened:
        until(opened, "document.querySelectorAll('.waveform canvas').length === 24")
        until(opened, "document.querySelector('.document').scrollHeight > 1500")
        place = "document.querySelector('.document').scrollTop"
        for key, where in (
            ("ArrowDown", f"{place} > 0 && {place} < 100"),
            ("PageDown", f"{place} > 400"),
            ("Home", f"{place} === 0"),
            ("End", f"{place} > 800"),
        ):
            opened.keyboard.press(key)
            until(opened, where)


@pytest.mark.parametrize("name", ["too few channels", "no rate", "no data", "other samples"])
def test_what_cannot_be_drawn_says_so(held: Held, chromium: Any, name: str) -> None:
    """A lead drawn from another one's samples would be worse than none."""
    with page(chromium, held.view(name)) as opened:
        until(opened, "document.querySelectorAll('.waveform canvas').length === 12")
        assert "cannot be shown" in opened.inner_text(".document")


def test_structures_name_their_images(held: Held, chromium: Any) -> None:
    with page(chromium, held.view("structures")) as opened:
        until(opened, "Boolean(document.querySelector('.pane canvas')?.dataset.image)")
        opened.keyboard.press("ArrowRight")
        until(opened, "document.querySelector('.document .references') !== null")
        assert "This object has no image" in opened.inner_text(".document")
        opened.locator(".document .references").get_by_role("button", name="Planning CT").click()
        until(opened, "document.querySelectorAll('.pane canvas')[1]?.dataset.image")
