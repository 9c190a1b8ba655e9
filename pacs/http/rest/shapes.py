"""Studies, series and images as the REST API shows them: plain names, ISO dates, numbers as numbers."""

from __future__ import annotations

import re
from typing import Any

from pacs.archive_attributes import (
    ARCHIVE_ATTRIBUTES,
    BODY_PART,
    CLINICAL_NOTES,
    FIRST_RECEIVED,
    FLAGS,
    LAST_RECEIVED,
    PATIENT_FLAGS,
    PRIORITY,
    SIZE,
    STATE,
)
from pacs.attributes import BY_KEYWORD, Attribute, Level, at_level
from pacs.model import Values
from pacs.study_states import State

_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")
_TIME = re.compile(r"(\d\d):?(\d\d):?(\d\d)(\.\d{1,6})?")

Shape = dict[str, Any]


def _named(*keywords: str) -> tuple[Attribute, ...]:
    return tuple(BY_KEYWORD[keyword] for keyword in keywords)


# The attributes of which each shape is made.
STUDY = (
    *_named("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate"),
    *_named("StudyTime", "AccessionNumber", "StudyID", "StudyDescription", "ReferringPhysicianName"),
    *_named("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
    *ARCHIVE_ATTRIBUTES,
)
SERIES = at_level(Level.SERIES)
IMAGE = (
    *_named("StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SOPInstanceUID"),
    *_named("SOPClassUID", "InstanceNumber", "Rows", "Columns", "NumberOfFrames", "BitsAllocated"),
    *_named("AvailableTransferSyntaxUID"),
)
IMAGE_DETAILS = (
    *IMAGE,
    *_named("PatientID", "PatientName", "StudyDescription", "SeriesDescription", "BodyPartExamined"),
    *_named("ImageType", "SamplesPerPixel", "PhotometricInterpretation", "PixelSpacing"),
    *_named("SliceThickness", "SliceLocation", "WindowCenter", "WindowWidth", "Manufacturer"),
    *_named("ManufacturerModelName", "StationName", "AcquisitionDate", "AcquisitionTime"),
)


def words(text: str | None) -> list[str]:
    return text.split("\\") if text else []


def date(text: str | None) -> str | None:
    """ISO 8601; unchanged when it is not a date."""
    found = _DATE.fullmatch(text.strip()) if text else None
    return "-".join(found.groups()) if found else text or None


def time(text: str | None) -> str | None:
    found = _TIME.fullmatch(text.strip()) if text else None
    return ":".join(found.groups()[:3]) + (found[4] or "") if found else text or None


def number(text: str | int | None) -> int | float | str | None:
    """A DS or IS; unchanged when it is not a number."""
    if text is None or isinstance(text, int):
        return text
    for make in (int, float):
        try:
            value = make(text)
        except (ValueError, OverflowError):
            continue
        return value if abs(value) < 1e300 else text  # JSON has no infinity
    return text


def numbers(text: str | None) -> Any:
    """One number, or a list of several."""
    found = [number(value) for value in words(text)]
    return found[0] if len(found) == 1 else found or None


def study(values: Values) -> Shape:
    came = values[STATE.keyword] != State.EXPECTED
    return {
        "study_instance_uid": values["StudyInstanceUID"],
        "state": values[STATE.keyword],
        "priority": values[PRIORITY.keyword],
        "patient": {
            "id": values.get("PatientID"),
            "name": values.get("PatientName"),
            "birth_date": date(values.get("PatientBirthDate")),
            "sex": values.get("PatientSex"),
        },
        "study_date": date(values.get("StudyDate")),
        "study_time": time(values.get("StudyTime")),
        "accession_number": values.get("AccessionNumber"),
        "study_id": values.get("StudyID"),
        "description": values.get("StudyDescription"),
        "referring_physician": values.get("ReferringPhysicianName"),
        "modalities": words(values.get("ModalitiesInStudy")),
        "series_count": values["NumberOfStudyRelatedSeries"],
        "image_count": values["NumberOfStudyRelatedInstances"],
        "size_bytes": values[SIZE.keyword],
        "flags": words(values.get(FLAGS.keyword)) + words(values.get(PATIENT_FLAGS.keyword)),
        "clinical_notes": values.get(CLINICAL_NOTES.keyword),
        "body_part": values.get(BODY_PART.keyword),
        "first_received_at": values[FIRST_RECEIVED.keyword] if came else None,
        "last_received_at": values[LAST_RECEIVED.keyword] if came else None,
    }


def series(values: Values) -> Shape:
    return {
        "series_instance_uid": values["SeriesInstanceUID"],
        "modality": values.get("Modality"),
        "number": number(values.get("SeriesNumber")),
        "description": values.get("SeriesDescription"),
        "body_part": values.get("BodyPartExamined"),
        "laterality": values.get("Laterality"),
        "protocol": values.get("ProtocolName"),
        "manufacturer": values.get("Manufacturer"),
        "model": values.get("ManufacturerModelName"),
        "station": values.get("StationName"),
        "date": date(values.get("SeriesDate")),
        "image_count": values["NumberOfSeriesRelatedInstances"],
    }


def image(values: Values, root: str) -> Shape:
    """`root`: where the REST API is, as the caller sees it."""
    here = f"{root}/images/{values['SOPInstanceUID']}"
    return {
        "sop_instance_uid": values["SOPInstanceUID"],
        "sop_class_uid": values["SOPClassUID"],
        "series_instance_uid": values["SeriesInstanceUID"],
        "study_instance_uid": values["StudyInstanceUID"],
        "modality": values.get("Modality"),
        "series_number": number(values.get("SeriesNumber")),
        "instance_number": number(values.get("InstanceNumber")),
        "rows": number(values.get("Rows")),
        "columns": number(values.get("Columns")),
        "frames": number(values.get("NumberOfFrames") or (1 if values.get("Rows") else None)),
        "bits_allocated": number(values.get("BitsAllocated")),
        "transfer_syntax_uid": values.get("AvailableTransferSyntaxUID"),
        "thumbnail_url": f"{here}/thumbnail",
        "url": here,
    }


def image_details(values: Values, root: str) -> Shape:
    return {
        **image(values, root),
        "is_dicom": True,
        "patient": {"id": values.get("PatientID"), "name": values.get("PatientName")},
        "study_description": values.get("StudyDescription"),
        "series_description": values.get("SeriesDescription"),
        "body_part": values.get("BodyPartExamined"),
        "image_type": words(values.get("ImageType")),
        "samples_per_pixel": number(values.get("SamplesPerPixel")),
        "photometric_interpretation": values.get("PhotometricInterpretation"),
        "pixel_spacing": _always_list(values.get("PixelSpacing")),
        "slice_thickness": number(values.get("SliceThickness")),
        "slice_location": number(values.get("SliceLocation")),
        "window_center": numbers(values.get("WindowCenter")),
        "window_width": numbers(values.get("WindowWidth")),
        "manufacturer": values.get("Manufacturer"),
        "model": values.get("ManufacturerModelName"),
        "station": values.get("StationName"),
        "acquisition_date": date(values.get("AcquisitionDate")),
        "acquisition_time": time(values.get("AcquisitionTime")),
    }


def _always_list(text: str | None) -> list[Any] | None:
    return [number(value) for value in words(text)] or None
