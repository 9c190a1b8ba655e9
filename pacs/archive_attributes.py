"""What the archive knows about a study or its patient that is in no data set; searched like the attributes of
the table."""

from __future__ import annotations

from pacs.attributes import Attribute, Level, Matching


class ArchiveAttribute(Attribute):
    tag = 0
    vr = ""
    multiple = False


STATE = ArchiveAttribute("State", Level.STUDY, Matching.EXACT)
PRIORITY = ArchiveAttribute("Priority", Level.STUDY, Matching.EXACT)
FLAGS = ArchiveAttribute("Flags", Level.STUDY, Matching.EXACT)
CLINICAL_NOTES = ArchiveAttribute("ClinicalNotes", Level.STUDY, Matching.EXACT)
BODY_PART = ArchiveAttribute("BodyPart", Level.STUDY, Matching.EXACT)
SIZE = ArchiveAttribute("SizeBytes", Level.STUDY, Matching.NUMBER, computed=True)
FIRST_RECEIVED = ArchiveAttribute("FirstReceivedAt", Level.STUDY, Matching.NUMBER, computed=True)
LAST_RECEIVED = ArchiveAttribute("LastReceivedAt", Level.STUDY, Matching.NUMBER, computed=True)
PATIENT_FLAGS = ArchiveAttribute("PatientFlags", Level.PATIENT, Matching.EXACT)
ARCHIVE_ATTRIBUTES = (
    *(STATE, PRIORITY, FLAGS, CLINICAL_NOTES, BODY_PART, SIZE, FIRST_RECEIVED, LAST_RECEIVED),
    PATIENT_FLAGS,
)
