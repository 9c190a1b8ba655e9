"""`/api/v1/studies`: list, announce, change and delete studies; list what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pacs.archive import Archive
from pacs.attributes import BY_KEYWORD, TABLE, Attribute, Level
from pacs.errors import BadInput, NotFound
from pacs.http.described import LISTING, OBJECT, PAGED, TEXT, Described, answers_json, describe, one_of
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.http.rest import shapes
from pacs.http.rest.answers import answer, listing
from pacs.http.rest.bodies import Body, read
from pacs.http.rest.parameters import PAGING, Paging, paging, parameters
from pacs.http.rest.study_filters import INCLUDED, PARAMETERS, RECEIVED, SORTS, study_query
from pacs.ingest import is_uid
from pacs.keeping import Amendment, Deletion, Expected, Priority, new_uid
from pacs.model import Values
from pacs.ports import Keeping
from pacs.rights import Right
from pacs.search.query import Condition, Found, OneOf, Query
from pacs.studies import State

MAX_REASON = 500
_REASON = {"type": "string", "minLength": 3, "maxLength": MAX_REASON, "description": "Here or in the body"}

Line = Annotated[str, Field(max_length=64, pattern=r"^[^\\\x00-\x1f\x7f]*$")]
"""A LO value (PS3.5 §6.2)."""
Name = Annotated[str, Field(max_length=194, pattern=r"^[^\\\x00-\x1f\x7f]*$")]


def _of_the_calendar(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("not a date of the calendar") from None
    return text


Day = Annotated[
    str, Field(pattern="^[0-9]{4}(-[0-9]{2}-|[0-9]{2})[0-9]{2}$"), AfterValidator(_of_the_calendar)
]
Uid = Annotated[str, Field(max_length=64, pattern=r"^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+$")]
"""PS3.5 §9.1 without tolerance, as this is a UID that we assign."""
Notes = Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$")]


class StudyFields(Body):
    """The fields of a study and its patient that a caller may set."""

    study_instance_uid: Uid | None = None
    patient_id: Line | None = None
    patient_name: Name | None = None
    patient_birth_date: Day | None = None
    patient_sex: Annotated[str, Field(pattern="^[MFO]$")] | None = None
    study_date: Day | None = None
    study_description: Line | None = None
    accession_number: Annotated[Line, Field(max_length=16)] | None = None
    referring_physician: Name | None = None
    modality: Annotated[str, Field(pattern="^[A-Z0-9_ ]{1,16}$")] | None = None


class NewStudy(StudyFields):
    """An announced study. Without a UID one is generated."""

    priority: Priority = Priority.NORMAL
    clinical_notes: Notes | None = None


class StudyChanges(Body):
    """Absent fields stay unchanged. Fields that images carry can only be changed before images arrive."""

    priority: Priority | None = None
    clinical_notes: Notes | None = None
    state: State | None = None
    study_date: Day | None = None
    study_description: Line | None = None
    accession_number: Annotated[Line, Field(max_length=16)] | None = None
    referring_physician: Name | None = None


class Reason(Body):
    reason: Annotated[str, Field(min_length=3, max_length=MAX_REASON, pattern=r"^[^\x00]*$")]


DELETION = Described({"reason": _REASON}, body={"application/json": Reason.model_json_schema()}, status=204)
_STUDY = answers_json(OBJECT)
_PAGED = Described(PAGED, answers=answers_json(LISTING))
_FILTERS = {
    **dict.fromkeys(sorted(PARAMETERS - PAGING), TEXT),
    "state": one_of(State) | {"description": "One, or several with commas; `status` is the same"},
    "priority": one_of(Priority) | {"description": "One, or several with commas"},
    "patient": TEXT | {"description": "An ID when it has a digit, else part of a name"},
    "date": TEXT | {"description": "2024-01-31, or a range as DICOM writes it"},
    "sort": one_of((*SORTS, RECEIVED)) | {"description": "With - in front for descending"},
    **PAGED,
}

KEYWORDS = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "study_date": "StudyDate",
    "study_description": "StudyDescription",
    "accession_number": "AccessionNumber",
    "referring_physician": "ReferringPhysicianName",
    "modality": "Modality",
}

_SERIES = tuple(a for a in TABLE if a.level is Level.SERIES)
IMAGE = tuple(
    BY_KEYWORD[keyword]
    for keyword in (
        *("StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SOPInstanceUID"),
        *("SOPClassUID", "InstanceNumber", "Rows", "Columns", "NumberOfFrames", "BitsAllocated"),
        "AvailableTransferSyntaxUID",
    )
)
_IN_ORDER = tuple((BY_KEYWORD[k], False) for k in ("SeriesNumber", "SeriesInstanceUID", "InstanceNumber"))


def uid_in_path(request: Request, name: str) -> str:
    """A UID in the path; `NotFound` for text that cannot be one."""
    uid = str(request.path_params[name])
    if not is_uid(uid):
        raise NotFound
    return uid


def is_called(keyword: str, uid: str) -> Condition:
    return Condition(BY_KEYWORD[keyword], OneOf((uid,)))


@dataclass(frozen=True, slots=True)
class Studies:
    archive: Archive
    keeping: Keeping
    root: str

    def routes(self) -> list[Resource]:
        one = f"{self.root}/studies/{{study}}"
        return [
            Resource(f"{self.root}/studies", self.list_studies, Right.READ),
            Resource(f"{self.root}/studies", self.create_study, Right.EDIT, ("POST",)),
            Resource(one, self.show_study, Right.READ),
            Resource(one, self.change_study, Right.EDIT, ("PATCH",)),
            Resource(one, self.delete_study, Right.DELETE, ("DELETE",)),
            Resource(f"{one}/series", self.list_series, Right.READ),
            Resource(f"{one}/instances", self.list_images, Right.READ),
            Resource(f"{one}/images", self.list_images_of_study, Right.READ),
        ]

    @describe(Described(_FILTERS, answers=answers_json(LISTING)))
    def list_studies(self, request: Request) -> Response:
        """The studies that the filters select, newest first unless `sort` says otherwise."""
        given = parameters(request, PARAMETERS)
        page = paging(given)
        who, asked = actor(request), study_query(given, page)
        found = self.archive.page(who, asked)
        if found.total is None and not asked.conditions:
            found = replace(found, total=self.archive.count(who, asked))
        return _listed([shapes.study(values) for values in found.answers], found, page)

    @describe(Described(answers=_STUDY))
    def show_study(self, request: Request) -> Response:
        """One study."""
        return answer(self._shape(request, uid_in_path(request, "study")))

    @describe(Described(body=NewStudy, status=201, answers=_STUDY))
    async def create_study(self, request: Request) -> Response:
        """Announce a study before its images arrive."""
        body = await read(request, NewStudy)
        uid = body.study_instance_uid or new_uid()
        expected = Expected(uid, as_dicom(body), body.priority, body.clinical_notes)
        await run_in_threadpool(self.keeping.expect, actor(request), expected)
        shape = await run_in_threadpool(self._shape, request, uid)
        return answer(shape, 201, {"Location": f"{origin(request)}{self.root}/studies/{uid}"})

    @describe(Described(body=StudyChanges, answers=_STUDY))
    async def change_study(self, request: Request) -> Response:
        """Change priority, notes or state; while the study has no image yet, its other fields too."""
        uid = uid_in_path(request, "study")
        body = await read(request, StudyChanges)
        amendment = Amendment(body.priority, body.clinical_notes, body.state, as_dicom(body))
        await run_in_threadpool(self.keeping.amend, actor(request), uid, amendment)
        return answer(await run_in_threadpool(self._shape, request, uid))

    @describe(DELETION)
    async def delete_study(self, request: Request) -> Response:
        """Delete a study for a reason. It is gone at once; its bytes stay for the retention period."""
        uid, reason = uid_in_path(request, "study"), await reason_given(request)
        made = await run_in_threadpool(self.keeping.delete, actor(request), uid, None, reason)
        return deleted(request, self.root, made)

    @describe(_PAGED)
    def list_series(self, request: Request) -> Response:
        """The series of a study, by number."""
        return self._below(request, Level.SERIES, _SERIES)

    @describe(_PAGED)
    def list_images(self, request: Request) -> Response:
        """The instances of a study, by series and number."""
        return self._below(request, Level.IMAGE, IMAGE)

    @describe(_PAGED)
    def list_images_of_study(self, request: Request) -> Response:
        """The images of a study, by series and number."""
        return self._below(request, Level.IMAGE, IMAGE)

    def _below(self, request: Request, level: Level, include: tuple[Attribute, ...]) -> Response:
        uid, page = uid_in_path(request, "study"), paging(parameters(request, PAGING))
        asked = Query(
            level, (is_called("StudyInstanceUID", uid),), include, limit=page.limit, offset=page.offset
        )
        if level is Level.IMAGE:
            asked = replace(asked, order=_IN_ORDER)
        found = self.archive.page(actor(request), asked)
        if not found.answers:
            self._values(request, uid)
        root = f"{origin(request)}{self.root}"
        if level is Level.IMAGE:
            return _listed([shapes.image(values, root) for values in found.answers], found, page)
        return _listed([shapes.series(values) for values in found.answers], found, page)

    def _shape(self, request: Request, uid: str) -> shapes.Shape:
        return shapes.study(self._values(request, uid))

    def _values(self, request: Request, uid: str) -> Values:
        asked = Query(Level.STUDY, (is_called("StudyInstanceUID", uid),), INCLUDED, limit=1, expected=True)
        found = self.archive.page(actor(request), asked).answers
        if not found:
            raise NotFound
        return found[0]


async def reason_given(request: Request) -> str:
    """The reason for a deletion: in the body, or in the query for clients whose DELETE has no body."""
    given = parameters(request, ("reason",))
    if "reason" in given:
        reason = given["reason"].strip()
        if not 3 <= len(reason) <= MAX_REASON or "\0" in reason:
            raise BadInput(f"reason has 3 to {MAX_REASON} characters")
        return reason
    if not {"content-type", "content-length", "transfer-encoding"} & set(request.headers.keys()):
        raise BadInput("give a reason, in the query (?reason=…) or in a JSON body")
    return (await read(request, Reason)).reason


def deleted(request: Request, root: str, made: Deletion) -> Response:
    """The answer to a deletion; its Location is the deletion, from which it can be restored."""
    return Response(status_code=204, headers={"Location": f"{origin(request)}{root}/deletions/{made.id}"})


def as_dicom(body: Body, keywords: Mapping[str, str] = KEYWORDS) -> dict[str, str]:
    """Keyword → value of the fields that were given; `keywords`: field name → keyword."""
    given = {keywords[name]: value for name, value in body if name in keywords and value}
    for keyword in ("StudyDate", "PatientBirthDate"):
        if keyword in given:
            given[keyword] = given[keyword].replace("-", "")
    return given


def _listed(items: list[shapes.Shape], found: Found, page: Paging) -> Response:
    return listing(items, found.total, page.limit, page.offset)
