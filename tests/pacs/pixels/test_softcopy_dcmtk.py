"""Presentation states against an independent renderer, DCMTK's `dcmp2pgm`: same geometry, same grey.

It applies tables, windows and turns; it draws neither overlays nor marks, and cuts no area.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from pacs.dicom.frames import frame_index
from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import DEFAULT_PARAMETERS
from pacs.pixels.picture import Octets
from pacs.pixels.softcopy.render import presented
from tests.corpus import SHARED_DATA, needs_corpus
from tests.pacs.pixels.images import item
from tests.pacs.pixels.states import file_of, header_of, state, window
from tests.programs import needs

needs_dcmtk = needs("dcmp2pgm")
IMAGES = ["imageForPrLUTs.dcm", "test16signed.dcm", "overlay.dcm"]
"""Of 8 bits, of 16 with a sign, of 12."""
REAL = {"prLUTs.dcm": "imageForPrLUTs.dcm", "prOverlay.dcm": "overlay.dcm"}
FOLDER = SHARED_DATA / "pr-lut"


def lut(entries: int, bits: int, shape: Any) -> Dataset:
    data = np.rint(shape(np.linspace(0, 1, entries)) * ((1 << bits) - 1)).astype("<u2")
    found = item(LUTDescriptor=[entries % 65536, 0, bits])
    found.add_new("LUTData", "OW", data.tobytes())
    return found


STATES: dict[str, dict[str, Any]] = {
    "identity": {},
    "inverse": {"PresentationLUTShape": "INVERSE"},
    "window": {"SoftcopyVOILUTSequence": [window(300, 700)]},
    "narrow window, inverse": {
        "SoftcopyVOILUTSequence": [window(120.5, 35)],
        "PresentationLUTShape": "INVERSE",
    },
    "rescaled": {
        "RescaleSlope": 0.5,
        "RescaleIntercept": -100,
        "RescaleType": "US",
        "SoftcopyVOILUTSequence": [window(0, 400)],
    },
    "VOI LUT": {"SoftcopyVOILUTSequence": [item(VOILUTSequence=[lut(1024, 12, np.sqrt)])]},
    "Presentation LUT": {
        "SoftcopyVOILUTSequence": [window(300, 700)],
        "PresentationLUTSequence": [lut(256, 12, np.square)],
    },
    "turned by 90": {"ImageRotation": 90, "ImageHorizontalFlip": "N"},
    "turned by 180 and mirrored": {"ImageRotation": 180, "ImageHorizontalFlip": "Y"},
    "turned by 270 and mirrored": {"ImageRotation": 270, "ImageHorizontalFlip": "Y"},
    "turned by 90 and mirrored": {"ImageRotation": 90, "ImageHorizontalFlip": "Y"},
    "mirrored": {"ImageRotation": 0, "ImageHorizontalFlip": "Y"},
}


def complete(made: Dataset, of: Dataset) -> Dataset:
    """With all that DCMTK demands before it reads a state."""
    made.StudyInstanceUID = of.StudyInstanceUID
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = "A", "B", "", ""
    made.StudyDate, made.StudyTime, made.StudyID, made.AccessionNumber = "", "", "", ""
    made.ReferringPhysicianName, made.Manufacturer = "", ""
    made.SeriesNumber, made.InstanceNumber = 1, 1
    made.PresentationCreationDate, made.PresentationCreationTime = "20261120", "101500"
    made.ContentDescription, made.ContentCreatorName = "", ""
    if "PresentationLUTSequence" in made:
        del made.PresentationLUTShape
    return made


def ours(made: bytes, image: bytes) -> Octets:
    source = BytesSource(image)
    part10 = read_part10(source)
    header = read_header(source, part10.transfer_syntax, part10.dataset_offset)
    index = frame_index(header, source)
    assert index is not None
    return presented(header_of(made), header, read_frame(header, index, 0), 0, DEFAULT_PARAMETERS).pixels


def theirs(made: bytes, image: bytes, folder: Path) -> Octets:
    for name, data in (("state", made), ("image", image)):
        (folder / name).write_bytes(data)
    subprocess.run(
        ["dcmp2pgm", "-q", "-p", folder / "state", folder / "image", folder / "shown"],
        check=True,
        timeout=120,
    )
    return np.asarray(Image.open(folder / "shown"))


@needs_corpus
@needs_dcmtk
@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("path", IMAGES)
def test_as_dcmtk_shows_it(path: str, name: str, tmp_path: Path) -> None:
    dataset = dcmread(FOLDER / path)
    image = file_of(dataset, ExplicitVRLittleEndian)
    made = file_of(complete(state(dataset, **STATES[name]), dataset))
    mine, other = ours(made, image), theirs(made, image, tmp_path)
    assert mine.shape == other.shape
    difference = np.abs(mine.astype(int) - other)  # DCMTK rounds down after each stage
    assert difference.max() <= 3 and difference.mean() < 1


@needs_corpus
@needs_dcmtk
@pytest.mark.parametrize("name", REAL)
def test_a_real_state_as_dcmtk_shows_it(name: str, tmp_path: Path) -> None:
    made, image = (FOLDER / name).read_bytes(), (FOLDER / REAL[name]).read_bytes()
    mine, other = ours(made, image), theirs(made, image, tmp_path)
    assert mine.shape == other.shape
    differing = mine[mine != other]
    assert set(differing.tolist()) <= {255}, "what DCMTK leaves out are the overlays, which are white"
    assert differing.any() == (name == "prOverlay.dcm")
