"""Studies to measure with: made here, the same bytes on every machine.

The header is that of pydicom's `CT_small.dcm`: 256 elements of a real scanner, so that parsing
costs what it costs in life. It is encoded once, with a placeholder of the full width for every
value that varies; an instance is then a few replacements of equal length and its pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import CTImageStorage, MRImageStorage

FAMILY = (
    *("Smith", "Johnson", "Müller", "García", "Nguyễn", "Kim", "Okafor", "Rossi", "Иванов", "Tanaka"),
    *("Silva", "Haddad", "Cohen", "Larsen", "Novák", "Dubois", "Kowalski", "Αγγέλου", "O'Brien", "Doe"),
)
RARE_FAMILY = "Quackenbush"
GIVEN = ("Anna", "John", "Maria", "Wei", "Ahmed", "Olga", "Luca", "Sara", "Tom", "Yuki", "Fatima", "Zoë")
MODALITIES = ("CT", "MR", "CR", "US", "MG")


@dataclass(frozen=True)
class Study:
    """What varies from study to study, a pure function of its number: searches select something."""

    number: int

    @property
    def uid(self) -> str:
        return uid(self.number)

    @property
    def patient_id(self) -> str:
        return f"PID{self.number // 2:07d}"

    @property
    def patient_name(self) -> str:
        patient = self.number // 2
        if patient % 50_000 == 49_999:
            return f"{RARE_FAMILY}^{GIVEN[patient // 50_000 % 12]}"
        return f"{FAMILY[patient % 20]}{patient % 977}^{GIVEN[patient % 12]}"

    @property
    def date(self) -> str:
        """A day of twenty years; the factor is prime, so that neighbours lie far apart."""
        return f"{date(2006, 1, 1) + timedelta(days=self.number * 7919 % 7305):%Y%m%d}"

    @property
    def time(self) -> str:
        return f"{self.number % 24:02d}{self.number * 7 % 60:02d}{self.number * 13 % 60:02d}"

    @property
    def accession(self) -> str:
        return f"ACC{self.number:09d}"

    @property
    def modality(self) -> str:
        return MODALITIES[self.number % 5]

    @property
    def description(self) -> str:
        return f"{self.modality} study {self.number % 211}"


def uid(study: int, series: int = 0, instance: int = 0) -> str:
    """A UID of constant width (32 characters), below 2.25 as PS3.5 Annex B.2 allows."""
    return f"2.25.1{study:09d}{series:06d}{instance:011d}"


#: What stands in the encoded header for each value that varies: unlike anything else in it, and as wide
#: as the widest value (shorter ones are padded with spaces, as PS3.5 §6.2 lets all of these be).
MARKS = {
    "PatientName": "N" * 32,
    "PatientID": "I" * 12,
    "StudyDate": "19000101",
    "StudyTime": "112233.445566",
    "AccessionNumber": "A" * 14,
    "Modality": "M" * 16,
    "StudyDescription": "D" * 20,
    "InstanceNumber": "1909090909",
    "ImagePositionPatient": r"0\0\8080808080",
    "StudyInstanceUID": uid(999_999_999),
    "SeriesInstanceUID": uid(999_999_998),
    "SOPInstanceUID": uid(999_999_997),
}


class Template:
    """One image object, encoded, ready to become any instance of any study."""

    def __init__(self, sop_class: str, size: int) -> None:
        dataset = dcmread(get_testdata_file("CT_small.dcm"))
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.Rows = dataset.Columns = size
        for keyword, mark in MARKS.items():
            setattr(dataset, keyword, mark)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        self._image = _image(size)
        dataset.PixelData = self._image.tobytes()
        buffer = BytesIO()
        dataset.save_as(buffer)
        self._header, self._tail = buffer.getvalue().split(dataset.PixelData)

    def instance(self, study: Study, number: int) -> bytes:
        values = {
            "PatientName": study.patient_name,
            "PatientID": study.patient_id,
            "StudyDate": study.date,
            "StudyTime": study.time,
            "AccessionNumber": study.accession,
            "Modality": study.modality,
            "StudyDescription": study.description,
            "InstanceNumber": str(number),
            "ImagePositionPatient": rf"0\0\{number}",
            "StudyInstanceUID": study.uid,
            "SeriesInstanceUID": uid(study.number, 1),
            "SOPInstanceUID": uid(study.number, 1, number),
        }
        header = self._header
        for keyword, mark in MARKS.items():
            header = header.replace(mark.encode(), values[keyword].encode().ljust(len(mark)))
        return header + np.roll(self._image, number, axis=1).tobytes() + self._tail


def _image(size: int) -> np.ndarray:
    """A bright blob in noise: compresses as a slice does, differs when rolled."""
    y, x = np.mgrid[:size, :size] - size / 2
    noise = np.random.default_rng(1).normal(0, 20, (size, size))
    image: np.ndarray = (1000 * np.exp(-(x**2 + y**2) / (2 * (size / 5) ** 2)) + noise).astype("<i2")
    return image


@dataclass(frozen=True)
class Series:
    """One of the two loads of the comparison, in `parts` folders of equal size for parallel senders."""

    name: str
    sop_class: str
    size: int
    studies: int
    instances: int
    parts: int = 1

    def write(self, root: Path) -> list[Path]:
        """The folders `root/name/study/part`, written where absent."""
        template = Template(self.sop_class, self.size)
        folders = []
        for study in range(self.studies):
            for part in range(self.parts):
                folder = root / self.name / str(study) / str(part)
                folders.append(folder)
                for number in range(part, self.instances, self.parts):
                    _write_once(folder / f"{number:05d}.dcm", template, Study(study), number + 1)
        return folders


def ct(instances: int = 500) -> Series:
    """Slices of 512² at 16 bit: 527 KB each."""
    return Series(f"ct{instances}", CTImageStorage, 512, 1, instances)


def mr(instances: int = 1000) -> Series:
    """Four studies of slices of 128² at 16 bit: 39 KB each, in halves so that eight can send."""
    return Series(f"mr{instances}", MRImageStorage, 128, 4, instances, parts=2)


def small(root: Path, studies: int) -> Iterator[Path]:
    """Folders of a thousand one-image studies each (32²: 9 KB), written where absent."""
    template = Template(CTImageStorage, 32)
    for number in range(studies):
        folder = root / "small" / f"{number // 1000:03d}"
        _write_once(folder / f"{number:06d}.dcm", template, Study(number), 1)
        if number % 1000 == 999 or number == studies - 1:
            yield folder


def _write_once(path: Path, template: Template, study: Study, number: int) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(template.instance(study, number))
