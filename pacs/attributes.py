"""The one table of attributes that the archive indexes: `TABLE`.

SQL columns, C-FIND keys, QIDO-RS fields and the conformance statement derive from it. Tag, VR and value
multiplicity come from the data dictionary (PS3.6); level, kind of key and matching from PS3.4 Annex C and
PS3.18 §10.6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from functools import cached_property
from types import MappingProxyType

from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052), top down."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"

    @property
    def depth(self) -> int:
        """0 for PATIENT, 3 for IMAGE."""
        return LEVELS.index(self)


LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)


class Key(Enum):
    """Kind of key (PS3.4 §C.2.2.1)."""

    UNIQUE = "U"
    REQUIRED = "R"
    OPTIONAL = "O"


class Matching(Enum):
    """How values compare (PS3.4 §C.2.2.2)."""

    UID = "uid"
    EXACT = "exact"  # case-sensitive, wildcards
    TEXT = "text"  # case and accents folded, wildcards
    NAME = "name"  # PN: as text, per component group, fuzzy on request
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    NUMBER = "number"  # integers
    SEQUENCE = "sequence"


KEYED = frozenset(
    {Matching.TEXT, Matching.NAME, Matching.DATE, Matching.TIME, Matching.DATETIME, Matching.NUMBER}
)
"""These compare a match key (`pacs.search.matching`) rather than the value as it was sent."""


def snake_case(keyword: str) -> str:
    """`SOPInstanceUID` → `sop_instance_uid`."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", keyword.replace("IDs", "Ids"))
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


@dataclass(frozen=True)
class Attribute:
    """One row of the table: how an attribute is found and returned.

    `default`: returned by QIDO-RS without being asked for (PS3.18 §10.6.3.3). `computed`: maintained by the
    archive, never read from a data set. `items`: keywords inside a sequence that can be matched.
    """

    keyword: str
    level: Level
    matching: Matching
    key: Key = Key.OPTIONAL
    default: bool = False
    computed: bool = False
    items: tuple[str, ...] = ()

    @cached_property
    def tag(self) -> int:
        tag = tag_for_keyword(self.keyword)
        assert tag is not None, self.keyword
        return int(tag)

    @cached_property
    def vr(self) -> str:
        return str(dictionary_VR(self.tag))

    @cached_property
    def multiple(self) -> bool:
        """Whether it may have several values."""
        return str(dictionary_VM(self.tag)) != "1"

    @cached_property
    def column(self) -> str:
        """The column that holds the value as it was sent."""
        return snake_case(self.keyword)

    @cached_property
    def key_column(self) -> str:
        """The column that matching compares; a computed number is compared as it is."""
        return f"{self.column}_key" if self.matching in KEYED and not self.computed else self.column


P, S, R, I = LEVELS  # noqa: E741 - one letter for each level, so that a row of the table stays a line
U, REQ = Key.UNIQUE, Key.REQUIRED
M = Matching
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")

TABLE: tuple[Attribute, ...] = (
    Attribute("PatientName", P, M.NAME, REQ, default=True),
    Attribute("PatientID", P, M.EXACT, U, default=True),
    Attribute("IssuerOfPatientID", P, M.EXACT),
    Attribute("PatientBirthDate", P, M.DATE, default=True),
    Attribute("PatientBirthTime", P, M.TIME),
    Attribute("PatientSex", P, M.EXACT, default=True),
    Attribute("OtherPatientIDs", P, M.EXACT),
    Attribute("OtherPatientNames", P, M.NAME),
    Attribute(
        "OtherPatientIDsSequence", P, M.SEQUENCE, items=("PatientID", "IssuerOfPatientID", "TypeOfPatientID")
    ),
    Attribute("EthnicGroup", P, M.TEXT),
    Attribute("PatientSpeciesDescription", P, M.TEXT),
    Attribute("PatientBreedDescription", P, M.TEXT),
    Attribute("ResponsiblePerson", P, M.NAME),
    Attribute("ResponsibleOrganization", P, M.TEXT),
    Attribute("PatientComments", P, M.TEXT),
    Attribute("NumberOfPatientRelatedStudies", P, M.NUMBER, computed=True),
    Attribute("NumberOfPatientRelatedSeries", P, M.NUMBER, computed=True),
    Attribute("NumberOfPatientRelatedInstances", P, M.NUMBER, computed=True),
    Attribute("StudyInstanceUID", S, M.UID, U, default=True),
    Attribute("StudyDate", S, M.DATE, REQ, default=True),
    Attribute("StudyTime", S, M.TIME, REQ, default=True),
    Attribute("AccessionNumber", S, M.EXACT, REQ, default=True),
    Attribute("StudyID", S, M.EXACT, REQ, default=True),
    Attribute("StudyDescription", S, M.TEXT, default=True),
    Attribute("ReferringPhysicianName", S, M.NAME, default=True),
    Attribute("NameOfPhysiciansReadingStudy", S, M.NAME),
    Attribute("PhysiciansOfRecord", S, M.NAME),
    Attribute("RequestingPhysician", S, M.NAME),
    Attribute("RequestedProcedureDescription", S, M.TEXT),
    Attribute("AdmittingDiagnosesDescription", S, M.TEXT),
    Attribute("AdmissionID", S, M.EXACT),
    Attribute("PatientAge", S, M.EXACT),
    Attribute("PatientSize", S, M.EXACT),
    Attribute("PatientWeight", S, M.EXACT),
    Attribute("Occupation", S, M.TEXT),
    Attribute("AdditionalPatientHistory", S, M.TEXT),
    Attribute("TimezoneOffsetFromUTC", S, M.EXACT, default=True),
    Attribute("ProcedureCodeSequence", S, M.SEQUENCE, items=_CODE),
    Attribute(
        "IssuerOfAccessionNumberSequence",
        S,
        M.SEQUENCE,
        items=("LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType"),
    ),
    Attribute("ModalitiesInStudy", S, M.EXACT, default=True, computed=True),
    Attribute("SOPClassesInStudy", S, M.UID, computed=True),
    Attribute("NumberOfStudyRelatedSeries", S, M.NUMBER, default=True, computed=True),
    Attribute("NumberOfStudyRelatedInstances", S, M.NUMBER, default=True, computed=True),
    Attribute("Modality", R, M.EXACT, REQ, default=True),
    Attribute("SeriesNumber", R, M.NUMBER, REQ, default=True),
    Attribute("SeriesInstanceUID", R, M.UID, U, default=True),
    Attribute("SeriesDescription", R, M.TEXT, default=True),
    Attribute("SeriesDate", R, M.DATE),
    Attribute("SeriesTime", R, M.TIME),
    Attribute("BodyPartExamined", R, M.EXACT),
    Attribute("Laterality", R, M.EXACT),
    Attribute("PatientPosition", R, M.EXACT),
    Attribute("ProtocolName", R, M.TEXT),
    Attribute("PerformingPhysicianName", R, M.NAME),
    Attribute("OperatorsName", R, M.NAME),
    Attribute("InstitutionName", R, M.TEXT),
    Attribute("InstitutionalDepartmentName", R, M.TEXT),
    Attribute("StationName", R, M.EXACT),
    Attribute("Manufacturer", R, M.TEXT),
    Attribute("ManufacturerModelName", R, M.TEXT),
    Attribute("DeviceSerialNumber", R, M.EXACT),
    Attribute("SoftwareVersions", R, M.EXACT),
    Attribute("FrameOfReferenceUID", R, M.UID),
    Attribute("PerformedProcedureStepID", R, M.EXACT),
    Attribute("PerformedProcedureStepDescription", R, M.TEXT),
    Attribute("PerformedProcedureStepStartDate", R, M.DATE, default=True),
    Attribute("PerformedProcedureStepStartTime", R, M.TIME, default=True),
    Attribute(
        "RequestAttributesSequence",
        R,
        M.SEQUENCE,
        default=True,
        items=("ScheduledProcedureStepID", "RequestedProcedureID", "AccessionNumber", "StudyInstanceUID"),
    ),
    Attribute("NumberOfSeriesRelatedInstances", R, M.NUMBER, default=True, computed=True),
    Attribute("SOPInstanceUID", I, M.UID, U, default=True),
    Attribute("SOPClassUID", I, M.UID, default=True),
    Attribute("InstanceNumber", I, M.NUMBER, REQ, default=True),
    Attribute("ContentDate", I, M.DATE),
    Attribute("ContentTime", I, M.TIME),
    Attribute("AcquisitionDate", I, M.DATE),
    Attribute("AcquisitionTime", I, M.TIME),
    Attribute("AcquisitionDateTime", I, M.DATETIME),
    Attribute("AcquisitionNumber", I, M.NUMBER),
    Attribute("InstanceCreationDate", I, M.DATE),
    Attribute("InstanceCreationTime", I, M.TIME),
    Attribute("ImageType", I, M.EXACT),
    Attribute("Rows", I, M.NUMBER, default=True),
    Attribute("Columns", I, M.NUMBER, default=True),
    Attribute("BitsAllocated", I, M.NUMBER, default=True),
    Attribute("NumberOfFrames", I, M.NUMBER, default=True),
    Attribute("SamplesPerPixel", I, M.NUMBER),
    Attribute("PhotometricInterpretation", I, M.EXACT),
    Attribute("PixelSpacing", I, M.EXACT),
    Attribute("SliceThickness", I, M.EXACT),
    Attribute("SliceLocation", I, M.EXACT),
    Attribute("ImagePositionPatient", I, M.EXACT),
    Attribute("ImageOrientationPatient", I, M.EXACT),
    Attribute("WindowCenter", I, M.EXACT),
    Attribute("WindowWidth", I, M.EXACT),
    Attribute("ImageLaterality", I, M.EXACT),
    Attribute("ViewPosition", I, M.EXACT),
    Attribute("ImageComments", I, M.TEXT),
    Attribute("ContentLabel", I, M.EXACT),
    Attribute("ContentDescription", I, M.TEXT),
    Attribute("ContentCreatorName", I, M.NAME),
    Attribute("PresentationCreationDate", I, M.DATE),
    Attribute("PresentationCreationTime", I, M.TIME),
    Attribute("DocumentTitle", I, M.TEXT),
    Attribute("MIMETypeOfEncapsulatedDocument", I, M.EXACT),
    Attribute("CompletionFlag", I, M.EXACT),
    Attribute("VerificationFlag", I, M.EXACT),
    Attribute("VerificationDateTime", I, M.DATETIME),
    Attribute("ConceptNameCodeSequence", I, M.SEQUENCE, items=_CODE),
    Attribute("AvailableTransferSyntaxUID", I, M.UID, default=True, computed=True),
)

BY_KEYWORD: Mapping[str, Attribute] = MappingProxyType({a.keyword: a for a in TABLE})
BY_TAG: Mapping[int, Attribute] = MappingProxyType({a.tag: a for a in TABLE})

UNIQUE_KEY: Mapping[Level, str] = MappingProxyType({a.level: a.keyword for a in TABLE if a.key is Key.UNIQUE})
"""Level → keyword of the one unique key that it has (PS3.4 §C.6.1.1)."""

DATE_TIME_PAIRS: tuple[tuple[str, str], ...] = (
    ("PatientBirthDate", "PatientBirthTime"),
    ("StudyDate", "StudyTime"),
    ("SeriesDate", "SeriesTime"),
    ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
    ("ContentDate", "ContentTime"),
    ("AcquisitionDate", "AcquisitionTime"),
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("PresentationCreationDate", "PresentationCreationTime"),
)
"""Date and time attributes that combined date-time matching treats as one (PS3.4 §C.2.2.2.5)."""


SAID_BY_STUDY: Mapping[Attribute, Attribute] = MappingProxyType(
    {
        BY_KEYWORD[keyword]: replace(BY_KEYWORD[keyword], level=Level.STUDY)
        for keyword in ("PatientName", "PatientBirthDate", "PatientBirthTime", "PatientSex")
    }
)
"""What each study says of its patient itself, in columns of its own: different people may be sent with one
Patient ID. Below patient level, searches match and return this."""


def at_level(level: Level) -> tuple[Attribute, ...]:
    return tuple(a for a in TABLE if a.level is level)


def kept_at(level: Level) -> tuple[Attribute, ...]:
    """Those with columns in the level's table."""
    return (*at_level(level), *(SAID_BY_STUDY.values() if level is Level.STUDY else ()))
