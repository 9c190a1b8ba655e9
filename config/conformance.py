"""The DICOM conformance statement (PS3.2), written from the tables that the code works by."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.uid import UID

import pacs
from dimse import sop_classes
from dimse.settings import DimseSettings
from pacs.attributes import LEVELS, Attribute, Key, Level, Matching, at_level

_MATCHING = {
    Matching.UID: "UID, list of UID",
    Matching.EXACT: "single value, wildcard",
    Matching.TEXT: "single value, wildcard; case and accents ignored",
    Matching.NAME: "single value, wildcard; case and accents ignored; fuzzy when negotiated",
    Matching.DATE: "single value, range; combined with its time",
    Matching.TIME: "single value, range",
    Matching.DATETIME: "single value, range",
    Matching.NUMBER: "single value",
    Matching.SEQUENCE: "sequence",
}
_KEY = {Key.UNIQUE: "U", Key.REQUIRED: "R", Key.OPTIONAL: "O"}


def _rows(header: str, rows: Iterable[Iterable[str]]) -> str:
    columns = header.count("|") - 1
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([header, "|" + "---|" * columns, *lines])


def _classes(uids: Iterable[str]) -> str:
    named = sorted((UID(uid).name, uid) for uid in uids)
    return _rows("| SOP class | UID |", ((name, f"`{uid}`") for name, uid in named))


def _key_row(attribute: Attribute) -> tuple[str, ...]:
    tag = f"({attribute.tag >> 16:04X},{attribute.tag & 0xFFFF:04X})"
    inside = f": {', '.join(attribute.items)}" if attribute.items else ""
    return (
        tag,
        attribute.keyword,
        attribute.vr,
        _KEY[attribute.key],
        _MATCHING[attribute.matching] + inside,
        "yes" if attribute.computed else "",
    )


def _keys(level: Level) -> str:
    header = "| tag | keyword | VR | key | matching | computed |"
    return f"### {level} level\n\n{_rows(header, map(_key_row, at_level(level)))}"


_TEMPLATE = """\
# DICOM conformance statement

Lightbox PACS {version}. Written by `pacs conformance` from the tables that the program works by.

## 1. Overview

| network service | SCP | SCU |
|---|---|---|
| Verification (C-ECHO) | yes | |
| Storage (C-STORE) | yes | yes, as sub-operation of C-MOVE and C-GET |
| Patient Root, Study Root and Patient/Study Only Query/Retrieve: FIND, MOVE, GET | yes | |

Media: `pacs import` reads files as of PS3.10, also without preamble or meta information, from folders
and ZIP archives. DICOMDIR files are skipped; what lies beside them is read.

## 2. Associations

| | |
|---|---|
| Application context | 1.2.840.10008.3.1.1.1 |
| Presentation contexts in one association | 128 |
| Longest PDU announced | `PACS_MAX_PDU`; the program's own default is {max_length} bytes |
| Associations at a time | `PACS_MAX_ASSOCIATIONS` in each DICOM process, {max_associations} by default |
| Asynchronous operations window | granted when asked for, up to {window} operations; else 1 |
| SCP/SCU role selection | accepted for the storage classes, as C-GET needs it |
| SOP class extended negotiation | query and retrieve: relational, combined date-time, fuzzy names, timezone |
| User identity | accepted; a positive response is given when asked for |
| Timeouts | `PACS_ARTIM_TIMEOUT`, `PACS_MESSAGE_TIMEOUT`, `PACS_IDLE_TIMEOUT` |

**Who may in.** A calling AE title that was registered with `pacs ae add` is accepted, from its host
when one was given, with the rights it was given; any other from loopback only. Else the association is
rejected: calling AE title not recognised. A called AE title other than this archive's is rejected too,
unless `PACS_ANY_CALLED_TITLE` is set. A request beyond the peer's rights is answered with 0x0124.

**Transfer syntaxes.** Verification, query and retrieve: Implicit VR Little Endian, Explicit VR Little
Endian, Explicit VR Big Endian and Deflated Explicit VR Little Endian. Storage: whatever is proposed,
private ones too; the data set is kept as it was sent. In C-GET and C-MOVE an instance is sent in the
syntax stored where the peer takes it, else converted without loss, else that sub-operation fails.

## 3. Storage

Success (0x0000) means that the object is on stable storage and in the index. Level 2 (full) support:
every element is kept, private ones too. An object whose SOP Instance UID is known with other content is
kept as another version; the first one stays current.

| status | meaning |
|---|---|
| 0000 | stored, or stored before |
| 0124 | not authorised |
| A700 | out of resources: no space, or the database does not answer; try again later |
| A900 | data set does not match the SOP class or instance named, or an identifying UID is missing |
| C000 | cannot understand: the data set is not valid DICOM |
| C001 | beyond a limit of this archive |

SOP classes; private ones are taken too while `PACS_PRIVATE_SOP_CLASSES` is set:

{storage}

## 4. Query and retrieve

{query_retrieve}

Relational queries when negotiated; hierarchical ones otherwise. Unknown optional keys are answered per
PS3.4 §C.4.1.1.3.2 (status FF01). `PACS_MAX_FIND_ANSWERS` bounds the answers to one request. C-FIND and
C-MOVE heed C-CANCEL. Attributes of levels above the one queried are returned when asked for. Answers
are in the character sets of ISO 646 or ISO_IR 192 (UTF-8).

Key types are those of PS3.4 Annex C: U unique, R required, O optional.

{keys}

## 5. Character sets

Read: every defined term of PS3.3 §C.12.1.1.2, with and without code extensions: ISO 646, ISO 8859-1 to
-9, -11 and -15, JIS X 0201, 0208 and 0212, KS X 1001, GB 2312, GB 18030, GBK, UTF-8. Written: ISO 646,
else UTF-8.
"""


def statement() -> str:
    """The conformance statement as Markdown."""
    defaults = DimseSettings()
    return _TEMPLATE.format(
        version=pacs.__version__,
        max_length=defaults.max_length,
        max_associations=defaults.max_associations,
        window=defaults.window,
        storage=_classes(sop_classes.STORAGE),
        query_retrieve=_classes(
            {sop_classes.VERIFICATION} | sop_classes.FIND | sop_classes.MOVE | sop_classes.GET
        ),
        keys="\n\n".join(map(_keys, LEVELS)),
    )
