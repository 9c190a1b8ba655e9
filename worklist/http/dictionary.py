"""The names of the data dictionary (PS3.6), for pages that show attributes."""

from __future__ import annotations

import orjson
from pydicom.datadict import DicomDictionary, RepeatersDictionary

FILE = "dicom/names.json"


def names() -> bytes:
    """JSON: name by tag, as in DICOM JSON; `x` stands for the digits that may vary."""
    single = {f"{tag:08X}": entry[2] for tag, entry in DicomDictionary.items()}
    return orjson.dumps(single | {mask: entry[2] for mask, entry in RepeatersDictionary.items()})
