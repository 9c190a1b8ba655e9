"""What the suite stores: two studies drawn by formula, with new UIDs and a new patient each time.

The first has three CT slices and an ultrasound of five frames in JPEG; the second a PDF and an ECG.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    TwelveLeadECGWaveformStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

SIDE, SLICES, FRAMES = 32, 3, 5
PDF = (
    b"%PDF-1.4\n% "
    + b"so long that none would put it inline " * 200
    + b"\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj "
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n%%EOF\n"
)
NAME = "Kitmann^Ärgerlich=規格^適合=きかく^てきごう"
CREATOR = "CONFORMANCE KIT"


@dataclass(frozen=True)
class Sample:
    """One instance; `data`: the file as it is sent."""

    ds: Dataset
    data: bytes

    @property
    def study(self) -> str:
        return str(self.ds.StudyInstanceUID)

    @property
    def series(self) -> str:
        return str(self.ds.SeriesInstanceUID)

    @property
    def sop(self) -> str:
        return str(self.ds.SOPInstanceUID)

    @property
    def study_path(self) -> str:
        return f"/studies/{self.study}"

    @property
    def series_path(self) -> str:
        return f"{self.study_path}/series/{self.series}"

    @property
    def path(self) -> str:
        return f"{self.series_path}/instances/{self.sop}"


@dataclass(frozen=True)
class Samples:
    number: str = field(default_factory=lambda: secrets.token_hex(4).upper())

    @property
    def patient(self) -> str:
        return f"KIT-{self.number}"

    @cached_property
    def slices(self) -> list[Sample]:
        return list(self._slices())

    @cached_property
    def ultrasound(self) -> Sample:
        ds = self._data_set(self._first, UltrasoundMultiFrameImageStorage, "US", generate_uid(), 1)
        _describe(ds, bits=8)
        ds.NumberOfFrames, ds.FrameTime, ds.SeriesNumber = FRAMES, 40, 2
        ds.WindowCenter, ds.WindowWidth, ds.LossyImageCompression = 128, 256, "01"
        ds.PixelData = encapsulate(self.jpegs)
        ds["PixelData"].VR = "OB"
        return sample(ds, JPEGBaseline8Bit)

    @cached_property
    def jpegs(self) -> list[bytes]:
        """The frames of the ultrasound, each a shade lighter."""
        return [_jpeg(np.full((SIDE, SIDE), 40 * (n + 1), np.uint8)) for n in range(FRAMES)]

    @cached_property
    def pdf(self) -> Sample:
        ds = self._data_set(self._second, EncapsulatedPDFStorage, "DOC", generate_uid(), 1)
        ds.MIMETypeOfEncapsulatedDocument, ds.BurnedInAnnotation = "application/pdf", "NO"
        ds.DocumentTitle = "Report"
        ds.EncapsulatedDocument = PDF + b"\0" * (len(PDF) % 2)
        ds.EncapsulatedDocumentLength = len(PDF)
        return sample(ds)

    @cached_property
    def ecg(self) -> Sample:
        ds = self._data_set(self._second, TwelveLeadECGWaveformStorage, "ECG", generate_uid(), 1)
        group = Dataset()
        group.WaveformOriginality, group.NumberOfWaveformChannels = "ORIGINAL", 1
        group.NumberOfWaveformSamples, group.SamplingFrequency = 4000, 500
        group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
        group.WaveformData = self.waveform
        group["WaveformData"].VR = "OW"
        ds.WaveformSequence = [group]
        return sample(ds)

    @cached_property
    def waveform(self) -> bytes:
        return (1000 * np.sin(np.arange(4000) / 50)).astype("<i2").tobytes()

    @cached_property
    def all(self) -> list[Sample]:
        return [*self.slices, self.ultrasound, self.pdf, self.ecg]

    def stray(self) -> Sample:
        """One more CT slice, of a patient and a study that nobody asks for."""
        apart = {"StudyInstanceUID": generate_uid(), "PatientID": f"{self.patient}-STRAY"}
        return self._slice({**self._second, **apart}, generate_uid(), 1)

    @cached_property
    def _first(self) -> dict[str, str]:
        return {
            "StudyInstanceUID": generate_uid(),
            "StudyDate": "20250115",
            "StudyTime": "101500",
            "AccessionNumber": f"A{self.number}",
            "StudyDescription": f"Kit first {self.number}",
            "StudyID": "1",
        }

    @cached_property
    def _second(self) -> dict[str, str]:
        return {
            "StudyInstanceUID": generate_uid(),
            "StudyDate": "20250220",
            "StudyTime": "170000",
            "AccessionNumber": f"B{self.number}",
            "StudyDescription": f"Kit second {self.number}",
            "StudyID": "2",
        }

    def _data_set(
        self, study: dict[str, str], sop_class: str, modality: str, series: str, number: int
    ) -> Dataset:
        ds = Dataset()
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = sop_class, generate_uid(), series
        ds.PatientID, ds.PatientName = self.patient, NAME
        ds.PatientBirthDate, ds.PatientSex = "19700102", "O"
        ds.ReferringPhysicianName, ds.Manufacturer = "Referrer^Rita", "Kit"
        ds.Modality, ds.SeriesNumber, ds.InstanceNumber = modality, 1, number
        ds.SeriesDescription = f"Series of {modality}"
        for keyword, value in study.items():
            setattr(ds, keyword, value)
        return ds

    def _slices(self) -> Iterator[Sample]:
        series = generate_uid()
        for number in range(1, SLICES + 1):
            yield self._slice(self._first, series, number)

    def _slice(self, study: dict[str, str], series: str, number: int) -> Sample:
        ds = self._data_set(study, CTImageStorage, "CT", series, number)
        _describe(ds, bits=16)
        ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
        ds.WindowCenter, ds.WindowWidth = 40, 400
        step = Dataset()
        step.ScheduledProcedureStepID, step.RequestedProcedureID = f"SPS{self.number}", f"RP{self.number}"
        ds.RequestAttributesSequence = [step]
        block = ds.private_block(0x0029, CREATOR, create=True)
        block.add_new(0x01, "LO", f"private {self.number}")
        rows = np.arange(SIDE, dtype="<u2")
        ds.PixelData = (1024 + np.add.outer(8 * rows, 8 * rows) + number).astype("<u2").tobytes()
        ds["PixelData"].VR = "OW"
        return sample(ds)


def sample(ds: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> Sample:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = transfer_syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return Sample(ds, file.getvalue())


def _describe(ds: Dataset, bits: int) -> None:
    ds.Rows = ds.Columns = SIDE
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1


def _jpeg(pixels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    data = file.getvalue()
    return data + b"\0" * (len(data) % 2)
