"""The DICOM conformance statement (PS3.2), written from the tables that the code works by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydicom.uid import UID

from dimse import sop_classes, suboperations
from dimse.associate import APPLICATION_CONTEXT, MAX_CONTEXTS
from dimse.delivery import FALLBACKS, PATIENCE
from dimse.models import FIND_OPTIONS, MODELS
from dimse.negotiation import IDENTIFIER_SYNTAXES
from dimse.operation import MAX_IDENTIFIER
from dimse.settings import DimseSettings
from dimse.status import (
    CANCEL,
    CANNOT_UNDERSTAND,
    NOT_AUTHORIZED,
    OUT_OF_RESOURCES,
    PENDING,
    PENDING_UNSUPPORTED_KEYS,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
    elements_of,
)
from pacs.attributes import LEVELS, Attribute, Key, Level, Matching, at_level
from pacs.dicom.encoding import UNCOMPRESSED
from pacs.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pacs.errors import (
    InvalidQuery,
    LimitExceeded,
    MissingIdentity,
    PacsError,
    StorageFull,
    UnknownDestination,
)
from pacs.pixels.decode import CODECS


@dataclass(frozen=True, slots=True)
class Described:
    """The installation whose statement this is."""

    version: str
    ae_title: str
    settings: DimseSettings = field(default_factory=DimseSettings)
    max_answers: int = 10_000
    destination_timeout: float = 30.0


_MATCHING = {
    Matching.UID: "single value, list of UID",
    Matching.EXACT: "single value, wildcard",
    Matching.TEXT: "single value, wildcard; case and accents ignored",
    Matching.NAME: "single value, wildcard; case and accents ignored; fuzzy when negotiated",
    Matching.DATE: "single value, range; combined with its time when negotiated",
    Matching.TIME: "single value, range",
    Matching.DATETIME: "single value, range",
    Matching.NUMBER: "single value",
    Matching.SEQUENCE: "sequence",
}
_KEY = {Key.UNIQUE: "U", Key.REQUIRED: "R", Key.OPTIONAL: "O"}
_LOSSLESS = {True: "lossless", False: "lossy", None: "lossless or lossy"}

_MISMATCH = "the identifier does not match the SOP class; Offending Element says where"


def _status_of(error: type[PacsError]) -> int:
    return int(elements_of(error())["Status"])


_EVERY_SERVICE = {
    NOT_AUTHORIZED: "the calling AE does not have the right to do this",
    SOP_CLASS_NOT_SUPPORTED: "the SOP class does not belong to this operation",
    UNRECOGNIZED_OPERATION: "this operation is not supported",
    PROCESSING_FAILURE: "a fault of this archive; its log says more",
}
_RETRIEVE = {
    PENDING: f"sub-operations are continuing; sent every {suboperations.PENDING_EVERY:g} s at most",
    SUCCESS: "all sub-operations are complete, or nothing was selected",
    suboperations.WITH_FAILURES: "complete, but at least one sub-operation failed or ended with a warning",
    CANCEL: "cancelled; Number of Remaining Sub-operations says how many were not finished",
    OUT_OF_RESOURCES: "the database does not answer",
    suboperations.UNABLE_TO_COUNT: f"more than {suboperations.MAX_SUBOPERATIONS} instances are selected, "
    "or the archive is stopping",
    suboperations.UNABLE_TO_PERFORM: "every sub-operation failed",
    _status_of(InvalidQuery): _MISMATCH,
    CANNOT_UNDERSTAND: "the identifier is missing or is not a data set",
}
STATUSES: Mapping[str, Mapping[int, str]] = {
    "C-ECHO": {SUCCESS: "the archive is running"},
    "C-STORE": {
        SUCCESS: "the object is on stable storage and in the index, now or already before",
        _status_of(StorageFull): "out of resources: no space, or the database does not answer",
        _status_of(
            MissingIdentity
        ): "the SOP class or instance is not the announced one, or a UID is missing",
        CANNOT_UNDERSTAND: "the data set is not valid DICOM, or ends within its pixel data",
        _status_of(LimitExceeded): "the object exceeds a limit of this archive",
    },
    "C-FIND": {
        PENDING: "a match; all keys are supported",
        PENDING_UNSUPPORTED_KEYS: "a match; keys that are not supported were left out",
        SUCCESS: "no more matches",
        CANCEL: "cancelled",
        OUT_OF_RESOURCES: "too many matches, the database does not answer, or the archive is stopping",
        _status_of(InvalidQuery): _MISMATCH,
        CANNOT_UNDERSTAND: "the identifier is missing or is not a data set",
    },
    "C-MOVE": {
        **_RETRIEVE,
        _status_of(UnknownDestination): "the destination is not registered with host and port",
    },
    "C-GET": _RETRIEVE,
}
"""Operation → status → when it is sent."""


def conformance_statement(described: Described) -> str:
    """Markdown."""
    sections = (
        _overview,
        _model,
        _associations,
        _storage,
        _query,
        _retrieve,
        _keys,
        _character_sets,
        _security,
    )
    return "\n\n".join(section(described) for section in sections) + "\n"


def _table(header: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _syntaxes(uids: Iterable[str]) -> str:
    return _table(("transfer syntax", "UID"), ((UID(uid).name, f"`{uid}`") for uid in uids))


def _classes(uids: Iterable[str], role: str) -> str:
    named = sorted((UID(uid).name, f"`{uid}`", role) for uid in uids)
    return _table(("SOP class", "UID", "role"), named)


def _statuses(operation: str) -> str:
    rows = ((f"{status:04X}", meaning) for status, meaning in STATUSES[operation].items())
    return _table(("status", f"{operation}: when it is sent"), rows)


def _overview(described: Described) -> str:
    services = (
        ("Verification (C-ECHO)", "", "yes"),
        ("Storage (C-STORE)", "yes, as sub-operation of C-MOVE and C-GET", "yes"),
        *((f"Query/Retrieve, {model.name}: FIND, MOVE, GET", "", "yes") for model in MODELS),
    )
    return f"""\
# DICOM conformance statement

Lightbox PACS {described.version}, AE title `{described.ae_title}`. Generated from the tables that
the program uses.

## 1. Overview

{_table(("network service", "user (SCU)", "provider (SCP)"), services)}

Web services: search, retrieve and store by DICOMweb, and WADO-URI (section 10).

Media: `pacs import` reads PS3.10 files, also without preamble or meta information, from folders, ZIP and
tar archives. DICOMDIR files are skipped; the files beside them are read."""


def _model(described: Described) -> str:
    return f"""\
## 2. Implementation model

One application entity. Objects are received by C-STORE (or import), stored byte for byte, indexed by the
attributes of section 7, found by C-FIND, and returned by C-GET on the same association or by C-MOVE over
another association to a registered AE.

{
        _table(
            ("", ""),
            (
                ("Implementation Class UID", f"`{IMPLEMENTATION_CLASS_UID}`"),
                ("Implementation Version Name", f"`{IMPLEMENTATION_VERSION_NAME}`"),
                ("Application context", f"`{APPLICATION_CONTEXT}`"),
            ),
        )
    }"""


def _associations(described: Described) -> str:
    settings, options = described.settings, FIND_OPTIONS
    agreed = (
        ("relational queries", options.relational),
        ("combined date-time matching", options.date_time),
        ("fuzzy semantic matching of person names", options.fuzzy),
        ("timezone query adjustment", options.timezone),
    )
    rows = (
        ("Presentation contexts in one association", str(MAX_CONTEXTS)),
        ("Longest PDU announced, bytes", str(settings.max_length)),
        ("Associations at a time, for each DICOM process", str(settings.max_associations)),
        ("Asynchronous operations window", f"up to {settings.window} when requested, else 1"),
        (
            "SCP/SCU role selection",
            "the peer may be SCP of storage classes, for C-GET; of all if it selects none",
        ),
        ("Extended negotiation of FIND", ", ".join(name for name, is_agreed in agreed if is_agreed)),
        ("Extended negotiation of MOVE and GET", "relational retrieval"),
        ("User identity", "all forms accepted; a positive response when requested"),
        ("Time for the A-ASSOCIATE-RQ, seconds", f"{settings.request_timeout:g}"),
        ("Time an association may idle, seconds", f"{settings.idle_timeout:g}"),
        ("Time for each PDU of a message, seconds", f"{settings.stall_timeout:g}"),
        (
            "Time for a C-MOVE's destination to connect and to answer, seconds",
            f"{described.destination_timeout:g}",
        ),
    )
    general = ((f"{status:04X}", meaning) for status, meaning in _EVERY_SERVICE.items())
    return f"""\
## 3. Associations

{_table(("", ""), rows)}

The first supported one of the proposed transfer syntaxes is accepted. Verification, query and retrieve
support:

{_syntaxes(sorted(IDENTIFIER_SYNTAXES))}

Every operation may end with:

{_table(("status", "when it is sent"), general)}

{_classes({sop_classes.VERIFICATION}, "SCP")}

{_statuses("C-ECHO")}"""


def _storage(described: Described) -> str:
    others = "accepted too" if described.settings.unknown_storage_classes else "not accepted"
    return f"""\
## 4. Storage

Level 2 (full): every element is stored byte for byte, including private ones. An object with a known SOP
Instance UID but different content is stored as another version; the first one stays current. Every transfer
syntax is accepted, including private and unknown ones. SOP classes that no edition of the standard knows are
{others}.

{_statuses("C-STORE")}

{_classes(sop_classes.STORAGE, "SCP; SCU")}"""


def _query(described: Described) -> str:
    return f"""\
## 5. Query (C-FIND)

{_classes(sop_classes.FIND, "SCP")}

{_statuses("C-FIND")}

Queries are hierarchical unless relational queries were negotiated. Then no keys of the levels above are
required, and keys of the levels below are matched, all keys of one level by the same entity, but not returned
(PS3.4 §C.4.1.3.2). Unknown keys are left out of the answers (PS3.4 §C.2.2.1.3). Attributes of the levels
above and Instance Availability (`ONLINE`) are returned when requested, Retrieve AE Title always. One request
gets at most {described.max_answers} matches; its identifier has at most {MAX_IDENTIFIER} bytes.
C-CANCEL is heard at any time."""


def _retrieve(described: Described) -> str:
    decoded = ((UID(uid).name, f"`{uid}`", _LOSSLESS[codec.lossless]) for uid, codec in CODECS.items())
    return f"""\
## 6. Retrieve (C-MOVE, C-GET)

{_classes(sop_classes.MOVE | sop_classes.GET, "SCP")}

{_statuses("C-MOVE")}

{_statuses("C-GET")}

The identifier selects by the unique key of its level: one Patient ID, or a list of UIDs. The levels above
need their unique key with one value, unless relational retrieval was negotiated. Other keys are ignored.
Responses that report failed sub-operations list them in Failed SOP Instance UID List, and say in Error
Comment why the last one failed.

C-MOVE proposes each SOP class in every transfer syntax its instances are stored in, one context each,
and in {" and ".join(UID(uid).name for uid in FALLBACKS)}; several associations follow one another when
{MAX_CONTEXTS} contexts do not suffice. A dropped association is opened again, once for each instance; after
{PATIENCE} instances in a row have been lost in this way, the destination is given up, and the remaining
sub-operations have failed.

An instance is sent as stored if the peer accepts that. Otherwise it is converted, without further loss, to
the first of these that the peer accepts; if there is none, the sub-operation fails. Nothing is ever
compressed.

{_syntaxes(UNCOMPRESSED)}

For that, pixel data in these is decoded; all others are sent only as stored:

{_table(("transfer syntax", "UID", "holds"), decoded)}"""


def _key_row(attribute: Attribute) -> tuple[str, ...]:
    tag = f"({attribute.tag >> 16:04X},{attribute.tag & 0xFFFF:04X})"
    inside = f": {', '.join(attribute.items)}" if attribute.items else ""
    computed = "yes" if attribute.computed else ""
    return (
        tag,
        attribute.keyword,
        attribute.vr,
        _KEY[attribute.key],
        _MATCHING[attribute.matching] + inside,
        computed,
    )


def _level(level: Level) -> str:
    header = ("tag", "keyword", "VR", "key", "matching", "computed")
    return f"### {level} level\n\n{_table(header, map(_key_row, at_level(level)))}"


def _keys(described: Described) -> str:
    levels = (
        (model.name, ", ".join(model.levels), f"`{model.find}`", f"`{model.move}`", f"`{model.get}`")
        for model in MODELS
    )
    return "\n\n".join(
        (
            "## 7. Information models and keys",
            _table(("model", "levels", "FIND", "MOVE", "GET"), levels),
            "Key types are those of PS3.4 Annex C: U unique, R required, O optional. Every key may be of zero"
            " length or `*` (universal matching). Study Root has the keys of the patient at study level.",
            "Different people may be sent with one Patient ID. At PATIENT level the archive then has one"
            " patient, described by the first object with that ID. At the levels below it, Patient's Name,"
            " Birth Date, Birth Time and Sex are those that the objects of each study have.",
            *map(_level, LEVELS),
        )
    )


def _character_sets(described: Described) -> str:
    return """\
## 8. Character sets

Read: every defined term of PS3.3 §C.12.1.1.2, with and without code extensions: ISO 646, ISO 8859-1 to
-9, -11 and -15, JIS X 0201, 0208 and 0212, KS X 1001, GB 2312, GB 18030, GBK, UTF-8.

Answers are in the Specific Character Set of the request if it suffices, otherwise in ISO_IR 192 (UTF-8). An
answer says which if the request contained the attribute or the text is not plain ASCII."""


def _security(described: Described) -> str:
    return """\
## 9. Security

A registered calling AE title is accepted with the rights it was given, and only from its registered host if
there is one. Any other is accepted from loopback only. Otherwise the association is rejected with the reason
"calling AE title not recognised". Every retrieval, query and refusal is audited.

In addition to the plain port, another can be configured for TLS 1.2 or newer (PS3.15 Annex B.12, port 2762).
Callers must present a certificate if authorities for them are configured. Peers that are registered with TLS
are called over TLS."""
