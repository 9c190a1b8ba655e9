"""Presentation states of a few attributes, made for one test, and what they show."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from pydicom import DataElement, Dataset, dcmwrite
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from pacs.dicom.header import Header
from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import DEFAULT_PARAMETERS, RenderParameters
from pacs.pixels.picture import Octets
from pacs.pixels.softcopy.render import presented
from tests.pacs.pixels.images import item, opened

GRAYSCALE = "1.2.840.10008.5.1.4.1.1.11.1"


def referring(image: Dataset, *frames: int) -> Dataset:
    named = item(ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID)
    if frames:
        named.ReferencedFrameNumber = list(frames)
    return named


def area(left: int, top: int, right: int, bottom: int, mode: str = "SCALE TO FIT", **more: Any) -> Dataset:
    found = item(PresentationSizeMode=mode, PresentationPixelAspectRatio=[1, 1], **more)
    found.DisplayedAreaTopLeftHandCorner = [left, top]
    found.DisplayedAreaBottomRightHandCorner = [right, bottom]
    return found


def whole(image: Dataset) -> Dataset:
    return area(1, 1, image.Columns, image.Rows)


def state(image: Dataset, *frames: int, **attributes: Any) -> Dataset:
    """A complete Grayscale Softcopy Presentation State of `image`; `attributes` add and replace."""
    series = item(SeriesInstanceUID=image.get("SeriesInstanceUID", "1.2.3.4"))
    series.ReferencedImageSequence = [referring(image, *frames)]
    made = item(
        SOPClassUID=GRAYSCALE,
        SOPInstanceUID=generate_uid(),
        StudyInstanceUID=image.get("StudyInstanceUID", "1.2.3"),
        SeriesInstanceUID=generate_uid(),
        Modality="PR",
        ContentLabel="LOOK",
        PresentationLUTShape="IDENTITY",
        ReferencedSeriesSequence=[series],
        DisplayedAreaSelectionSequence=[whole(image)],
    )
    made.update(item(**attributes))
    return made


def window(center: float, width: float, *of: Dataset, **more: Any) -> Dataset:
    found = item(WindowCenter=center, WindowWidth=width, **more)
    if of:
        found.ReferencedImageSequence = list(of)
    return found


def graphic(kind: str, *points: float, units: str = "PIXEL", filled: str = "N") -> Dataset:
    found = item(
        GraphicAnnotationUnits=units,
        GraphicDimensions=2,
        NumberOfGraphicPoints=min(len(points) // 2, 0xFFFF),
        GraphicType=kind,
        GraphicFilled=filled,
    )
    # pydicom would check each of millions
    found.add(DataElement(tag_for_keyword("GraphicData"), "FL", list(points), already_converted=True))
    return found


def marked(*objects: Dataset, layer: str = "MARKS", of: tuple[Dataset, ...] = ()) -> Dataset:
    """An item of the Graphic Annotation Sequence: graphics and texts of one layer."""
    found = item(GraphicLayer=layer)
    texts = [each for each in objects if "UnformattedTextValue" in each]
    if graphics := [each for each in objects if "GraphicType" in each]:
        found.GraphicObjectSequence = graphics
    if texts:
        found.TextObjectSequence = texts
    if of:
        found.ReferencedImageSequence = list(of)
    return found


def layer(name: str, order: int, value: int) -> Dataset:
    return item(
        GraphicLayer=name, GraphicLayerOrder=order, GraphicLayerRecommendedDisplayGrayscaleValue=value
    )


def file_of(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def header_of(data: bytes) -> Header:
    source = BytesSource(data)
    part10 = read_part10(source)
    return read_header(source, part10.transfer_syntax, part10.dataset_offset)


def look(
    made: Dataset, image: Dataset, parameters: RenderParameters = DEFAULT_PARAMETERS, number: int = 0
) -> Octets:
    """What `made` shows of `image`."""
    header, index = opened(image)
    frame = read_frame(header, index, number)
    return presented(header_of(file_of(made)), header, frame, number, parameters).pixels


def ramp(rows: int, columns: int) -> Octets:
    """Each pixel has another value."""
    return np.arange(rows * columns, dtype=np.uint8).reshape(rows, columns)
