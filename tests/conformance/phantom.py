"""Studies that show something and are nobody's: drawn by formula, for tests of what is on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    CTImageStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from pacs.pixels.phantom import HEAD_CT, volume


def head(side: int, slices: int) -> list[NDArray[np.int16]]:
    """Hounsfield units, from below to above."""
    planes = volume(HEAD_CT, side, slices, background=-1000)
    return [np.frombuffer(plane, "<i2").reshape(side, side) for plane in planes]


def data_set(sop_class: str, study: Dataset, series: str, number: int, **attributes: object) -> Dataset:
    ds = Dataset()
    ds.update(study)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.SeriesInstanceUID, ds.InstanceNumber = series, number
    for name, value in attributes.items():
        setattr(ds, name, value)
    return ds


def patient(name: str, number: str, birth: str, sex: str) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = name, number, birth, sex
    return ds


def study(of: Dataset, date: str, description: str, accession: str) -> Dataset:
    ds = Dataset()
    ds.update(of)
    ds.StudyInstanceUID = generate_uid()
    ds.StudyDate, ds.StudyTime, ds.StudyDescription = date, "091500", description
    ds.AccessionNumber, ds.ReferringPhysicianName = accession, "Referrer^Rita"
    return ds


def _pixels(ds: Dataset, pixels: NDArray[np.generic], photometric: str = "MONOCHROME2") -> Dataset:
    colour = photometric == "RGB"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 3 if colour else 1, photometric
    if colour:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    ds.BitsAllocated = ds.BitsStored = pixels.dtype.itemsize * 8
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    return ds


def ct(
    of: Dataset, slices: int, side: int = 256, description: str = "Axial 2 mm", series: int = 1
) -> Iterator[Dataset]:
    """From the feet up, sent in no order in particular."""
    uid, frame, spacing = generate_uid(), generate_uid(), 250 / side
    for number, plane in enumerate(head(side, slices), 1):
        yield _pixels(
            data_set(
                CTImageStorage,
                of,
                uid,
                number,
                Modality="CT",
                SeriesNumber=series,
                SeriesDescription=description,
                FrameOfReferenceUID=frame,
                ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
                SliceThickness=2,
                ImagePositionPatient=[-125, -125, 2 * number],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                PixelSpacing=[spacing, spacing],
                RescaleIntercept=-1024,
                RescaleSlope=1,
                WindowCenter=[40, 500],
                WindowWidth=[120, 2000],
            ),
            (plane + 1024).astype(np.uint16),
        )


def ultrasound(of: Dataset, frames: int, side: int = 128) -> Dataset:
    """A disc that beats, in colour."""
    axis = np.linspace(-1, 1, side)
    x, y = np.meshgrid(axis, axis)
    moving = np.zeros((frames, side, side, 3), np.uint8)
    for number in range(frames):
        disc = np.hypot(x, y) < 0.5 + 0.2 * np.sin(2 * np.pi * number / frames)
        moving[number, disc] = (200, 60, 40)
        moving[number, ~disc] = (20, 24, 32)
    ds = data_set(UltrasoundMultiFrameImageStorage, of, generate_uid(), 1, Modality="US", SeriesNumber=3)
    ds.SeriesDescription, ds.NumberOfFrames, ds.FrameTime = "Cine", frames, 40
    return _pixels(ds, moving, "RGB")


def inverted(of: Dataset, side: int = 64) -> Dataset:
    """MONOCHROME1, signed, a ramp from left to right: white where the value is least."""
    ramp = np.tile(np.linspace(-500, 500, side), (side, 1)).astype(np.int16)
    ds = data_set(SecondaryCaptureImageStorage, of, generate_uid(), 1, Modality="OT", SeriesNumber=4)
    ds.SeriesDescription = "Ramp"
    return _pixels(ds, ramp, "MONOCHROME1")


def marked(of: Dataset, side: int = 64) -> Dataset:
    """Black, its left half white by an overlay in a bit that the values do not use."""
    pixels = np.zeros((side, side), np.uint16)
    pixels[:, : side // 2] = 1 << 12
    ds = _pixels(
        data_set(SecondaryCaptureImageStorage, of, generate_uid(), 1, Modality="OT", SeriesNumber=7), pixels
    )
    ds.SeriesDescription, ds.BitsStored, ds.HighBit = "Marked", 12, 11
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    for element, value in ((0x0010, side), (0x0011, side), (0x0100, 16), (0x0102, 12)):
        ds.add_new((0x6000, element), "US", value)
    ds.add_new((0x6000, 0x0050), "SS", [1, 1])
    return ds


def report(of: Dataset) -> Dataset:
    ds = data_set(BasicTextSRStorage, of, generate_uid(), 1, Modality="SR", SeriesNumber=5)
    ds.SeriesDescription, ds.ValueType, ds.ContinuityOfContent = "Report", "CONTAINER", "SEPARATE"
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.ConceptNameCodeSequence = [_code("18748-4", "LN", "Diagnostic imaging report")]
    finding = Dataset()
    finding.RelationshipType, finding.ValueType = "CONTAINS", "TEXT"
    finding.ConceptNameCodeSequence = [_code("121071", "DCM", "Finding")]
    finding.TextValue = "No haemorrhage. <b>This is text</b>, never markup."
    ds.ContentSequence = [finding]
    return ds


def presentation_state(of: Dataset, shown: Dataset) -> Dataset:
    """How one image is to be seen: its window, and a word beside it."""
    ds = data_set(GrayscaleSoftcopyPresentationStateStorage, of, generate_uid(), 1, Modality="PR")
    ds.SeriesNumber, ds.SeriesDescription = 8, "Marks"
    ds.ContentLabel, ds.ContentDescription = "MARKS", "Marks of the reader"
    ds.PresentationCreationDate, ds.PresentationCreationTime = "20261120", "101500"
    image, series, voi, note, word = (Dataset() for _ in range(5))
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = shown.SOPClassUID, shown.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedImageSequence = shown.SeriesInstanceUID, [image]
    ds.ReferencedSeriesSequence = [series]
    voi.WindowCenter, voi.WindowWidth = 30, 60
    ds.SoftcopyVOILUTSequence = [voi]
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = shown.RescaleIntercept, shown.RescaleSlope, "HU"
    ds.PresentationLUTShape = "IDENTITY"
    word.UnformattedTextValue = "look <b>here</b>"
    word.AnchorPoint, word.AnchorPointAnnotationUnits = [4, 4], "PIXEL"
    note.GraphicLayer, note.TextObjectSequence = "1", [word]
    ds.GraphicAnnotationSequence = [note]
    return ds


def document(of: Dataset) -> Dataset:
    ds = data_set(EncapsulatedPDFStorage, of, generate_uid(), 1, Modality="DOC", SeriesNumber=6)
    ds.SeriesDescription, ds.DocumentTitle = "Letter", "Letter"
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocument = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj "
        b"2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n%%EOF\n"
    )
    return ds


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, scheme, meaning
    return ds


def file_bytes(ds: Dataset) -> bytes:
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
