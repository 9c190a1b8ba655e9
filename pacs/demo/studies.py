"""The studies of the demonstration: a table of patients and one of examinations.

UIDs are derived from the tables (PS3.5 §B.2), so that making a study again makes the same study.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from pacs.pixels import phantom

_NAMESPACE = uuid.UUID("0d1c0de0-5eed-4b1d-8f00-11ab7b0c0de5")

Attributes = dict[str, object]


@dataclass(frozen=True, slots=True)
class Patient:
    id: str
    name: str
    birth_date: str
    sex: str


JANE = Patient("DEMO-1001", "Doe^Jane", "19710412", "F")
MARIA = Patient("DEMO-1002", "García^María José", "19880930", "F")
JUERGEN = Patient("DEMO-1003", "Müller^Jürgen", "19540121", "M")
TARO = Patient("DEMO-1004", "Yamada^Tarou=山田^太郎=やまだ^たろう", "19660805", "M")
PYOTR = Patient("DEMO-1005", "Иванов^Пётр", "19790217", "M")
AN = Patient("DEMO-1006", "Nguyễn^Văn An", "20010611", "M")


@dataclass(frozen=True, slots=True)
class Image:
    """One instance: its class, what belongs to its module, and its pixels."""

    sop_class: str
    attributes: Attributes
    pixels: bytes


Series = tuple[str, int, Callable[[], Iterator[Image]]]
"""Series Description, how many images it has, and what draws them."""


def _head_ct() -> Iterator[Image]:
    for number, pixels in enumerate(phantom.volume(phantom.HEAD_CT, 256, 60, background=-1000)):
        yield Image(CTImageStorage, {**_slice(number, 2.5), **_HOUNSFIELD}, pixels)


def _head_mr(
    weighting: Sequence[phantom.Ellipsoid], centre: int, width: int
) -> Callable[[], Iterator[Image]]:
    def images() -> Iterator[Image]:
        window: Attributes = {"WindowCenter": centre, "WindowWidth": width}
        for number, pixels in enumerate(phantom.volume(weighting, 256, 32)):
            yield Image(MRImageStorage, {**_slice(number, 5.0), **_SPIN_ECHO, **window}, pixels)

    return images


def _chest(seed: int) -> Callable[[], Iterator[Image]]:
    def images() -> Iterator[Image]:
        yield Image(ComputedRadiographyImageStorage, _RADIOGRAPH, phantom.chest(1024, seed))

    return images


def _echocardiogram() -> Iterator[Image]:
    yield Image(UltrasoundMultiFrameImageStorage, _LOOP, phantom.heartbeat(320, 30))


def _slice(number: int, thickness: float) -> Attributes:
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "Rows": 256,
        "Columns": 256,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "PixelRepresentation": 1,
        "PatientPosition": "HFS",
        "SliceThickness": thickness,
        "ImagePositionPatient": [-120, -120, thickness * number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.9375, 0.9375],
        "PositionReferenceIndicator": "",
    }


_HOUNSFIELD: Attributes = {
    "RescaleIntercept": 0,
    "RescaleSlope": 1,
    "RescaleType": "HU",
    "KVP": 120,
    "WindowCenter": [40, 500],
    "WindowWidth": [120, 2000],
    "WindowCenterWidthExplanation": ["Brain", "Bone"],
}
_SPIN_ECHO: Attributes = {
    "ScanningSequence": "SE",
    "SequenceVariant": "NONE",
    "ScanOptions": "",
    "MRAcquisitionType": "2D",
}
_RADIOGRAPH: Attributes = {
    "ImageType": ["ORIGINAL", "PRIMARY"],
    "Rows": 1024,
    "Columns": 1024,
    "BitsAllocated": 16,
    "BitsStored": 12,
    "PixelRepresentation": 0,
    "ViewPosition": "PA",
    "PatientOrientation": ["L", "F"],
    "ImagerPixelSpacing": [0.35, 0.35],
    "WindowCenter": 2048,
    "WindowWidth": 4096,
}
_LOOP: Attributes = {
    "ImageType": ["ORIGINAL", "PRIMARY"],
    "Rows": 320,
    "Columns": 320,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "PixelRepresentation": 0,
    "NumberOfFrames": 30,
    "FrameTime": 33,
    "FrameIncrementPointer": 0x00181063,
    "PatientOrientation": "",
}


@dataclass(frozen=True, slots=True)
class Study:
    """`days_ago`: when it was, seen from the day that it is made."""

    accession_number: str
    patient: Patient
    days_ago: int
    time: str
    modality: str
    description: str
    body_part: str
    series: tuple[Series, ...]

    @property
    def uid(self) -> str:
        return _uid(self.accession_number)

    def files(self, today: date) -> Iterator[tuple[str, bytes]]:
        """Its instances: SOP Instance UID and PS3.10 file."""
        day = f"{today - timedelta(days=self.days_ago):%Y%m%d}"
        for number, (description, _, images) in enumerate(self.series, 1):
            for position, image in enumerate(images(), 1):
                uid = _uid(f"{self.accession_number}/{number}/{position}")
                yield uid, _file(self, day, (number, description), (position, uid), image)

    @property
    def instances(self) -> int:
        return sum(count for _, count, _ in self.series)


_T1: Series = ("T1 SE", 32, _head_mr(phantom.HEAD_T1, centre=350, width=900))
_T2: Series = ("T2 TSE", 32, _head_mr(phantom.HEAD_T2, centre=600, width=1500))

STUDIES = (
    Study("DEMO0001", JANE, 0, "081500", "CT", "CT Head", "HEAD", (("Axial 2.5 mm", 60, _head_ct),)),
    Study("DEMO0002", MARIA, 0, "083000", "CR", "Chest PA", "CHEST", (("PA", 1, _chest(1)),)),
    Study(
        "DEMO0003",
        JUERGEN,
        0,
        "091000",
        "MR",
        "MR Brain",
        "BRAIN",
        (_T1, _T2),
    ),
    Study("DEMO0004", TARO, 0, "094500", "US", "Echocardiography", "HEART", (("Loop", 1, _echocardiogram),)),
    Study("DEMO0005", PYOTR, 1, "140500", "CR", "Chest PA", "CHEST", (("PA", 1, _chest(2)),)),
    Study("DEMO0006", AN, 1, "221000", "CT", "CT Head, trauma", "HEAD", (("Axial 2.5 mm", 60, _head_ct),)),
    Study("DEMO0007", JANE, 200, "103000", "CT", "CT Head", "HEAD", (("Axial 2.5 mm", 60, _head_ct),)),
    Study("DEMO0008", PYOTR, 365, "111500", "CR", "Chest PA", "CHEST", (("PA", 1, _chest(3)),)),
)


def _file(study: Study, day: str, series: tuple[int, str], instance: tuple[int, str], image: Image) -> bytes:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    number, description = series
    position, uid = instance
    attributes: Attributes = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": image.sop_class,
        "SOPInstanceUID": uid,
        "PatientName": study.patient.name,
        "PatientID": study.patient.id,
        "PatientBirthDate": study.patient.birth_date,
        "PatientSex": study.patient.sex,
        "StudyInstanceUID": study.uid,
        "StudyID": study.accession_number[-4:],
        "StudyDate": day,
        "StudyTime": study.time,
        "ContentDate": day,
        "ContentTime": study.time,
        "AccessionNumber": study.accession_number,
        "ReferringPhysicianName": "Referrer^Rita",
        "StudyDescription": study.description,
        "Modality": study.modality,
        "Manufacturer": "Lightbox PACS",
        "ManufacturerModelName": "Demonstration",
        "BodyPartExamined": study.body_part,
        "SeriesInstanceUID": _uid(f"{study.accession_number}/{number}"),
        "SeriesNumber": number,
        "SeriesDescription": description,
        "FrameOfReferenceUID": _uid(f"{study.accession_number}/frame of reference"),
        "InstanceNumber": position,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        **image.attributes,
    }
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelData = image.pixels
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _uid(name: str) -> str:
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"
