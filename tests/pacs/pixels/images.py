"""Data sets of a few pixels, made for one test."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from pacs.dicom.frames import FrameIndex, frame_index
from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import Header, read_header
from pacs.dicom.source import BytesSource
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import DEFAULT_PARAMETERS, RenderParameters
from pacs.pixels.picture import Octets
from pacs.pixels.render import render


def item(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        if keyword.endswith("Descriptor"):  # US, whatever Pixel Representation says
            dataset.add_new(tag_for_keyword(keyword), "US", value)
        else:
            setattr(dataset, keyword, value)
    return dataset


def image(pixels: Any, stored: int | None = None, /, **attributes: Any) -> Dataset:
    """Grey or colour by pixel; `stored` bits of those that the array's type has."""
    array = np.asarray(pixels)
    bits = array.itemsize * 8
    colour = array.ndim == 3
    dataset = item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
        SOPInstanceUID="1.2.3",
        SamplesPerPixel=3 if colour else 1,
        PhotometricInterpretation="RGB" if colour else "MONOCHROME2",
        Rows=array.shape[0],
        Columns=array.shape[1],
        BitsAllocated=bits,
        BitsStored=stored or bits,
        HighBit=(stored or bits) - 1,
        PixelRepresentation=int(array.dtype.kind == "i"),
    )
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.add_new(0x7FE00010, "OW" if bits > 8 else "OB", array.tobytes() + bytes(array.nbytes % 2))
    dataset.update(item(**attributes))
    return dataset


def opened(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> tuple[Header, FrameIndex]:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    source = BytesSource(file.getvalue())
    part10 = read_part10(source)
    header = read_header(source, part10.transfer_syntax, part10.dataset_offset)
    index = frame_index(header, source)
    assert index is not None
    return header, index


def shown(dataset: Dataset, parameters: RenderParameters = DEFAULT_PARAMETERS, number: int = 0) -> Octets:
    header, index = opened(dataset)
    return render(header, read_frame(header, index, number), number, parameters).pixels


def raw_decimal(keyword: str, text: str) -> RawDataElement:
    """A DS as a careless writer writes it."""
    value = text.encode() + b" " * (len(text) % 2)
    return RawDataElement(BaseTag(tag_for_keyword(keyword) or 0), "DS", len(value), value, 0, False, True)
