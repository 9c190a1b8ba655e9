"""`/api/v1/studies`: list, announce, change and delete studies; list what is in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from pacs.archive import Archive
from pacs.attributes import BY_KEYWORD, Level
from pacs.errors import NotFound
from pacs.http.operation import OBJECT, Operation, answers_json, describe
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor
from pacs.http.rest import shapes
from pacs.http.rest.answers import answer
from pacs.http.rest.bodies import read
from pacs.http.rest.deletions import DELETION, deleted, reason_given
from pacs.http.rest.in_path import equals, uid_in_path
from pacs.http.rest.listing import filters_and_page, listed
from pacs.http.rest.study_fields import NewStudy, StudyChanges, as_dicom
from pacs.http.rest.study_filters import FILTERS, study_query
from pacs.http.threads import REQUESTS
from pacs.model import Values
from pacs.ports import StudyManagement
from pacs.rights import Right
from pacs.search.query import Query
from pacs.study_management import Amendment, Expected, new_uid

_STUDY = answers_json(OBJECT)
_SERIES = Query(Level.SERIES, include=shapes.SERIES)
_IN_ORDER = tuple((BY_KEYWORD[k], False) for k in ("SeriesNumber", "SeriesInstanceUID", "InstanceNumber"))
_IMAGES = Query(Level.IMAGE, include=shapes.IMAGE, order=_IN_ORDER)


@dataclass(frozen=True, slots=True)
class Studies:
    archive: Archive
    management: StudyManagement
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

    @describe(listed(FILTERS))
    def list_studies(self, request: Request) -> Response:
        """The studies that the filters select, newest first unless `sort` says otherwise."""
        given, page = filters_and_page(request, FILTERS)
        found = self.archive.page(actor(request), study_query(given, page))
        return page.answer([shapes.study(values) for values in found.answers], found.total)

    @describe(Operation(answers=_STUDY))
    def show_study(self, request: Request) -> Response:
        """One study."""
        return answer(self._shape(request, uid_in_path(request, "study")))

    @describe(Operation(body=NewStudy, status=201, answers=_STUDY))
    async def create_study(self, request: Request) -> Response:
        """Announce a study before its images arrive."""
        body = await read(request, NewStudy)
        uid = body.study_instance_uid or new_uid()
        expected = Expected(uid, as_dicom(body), body.priority, body.clinical_notes, body.body_part)
        await REQUESTS.run(self.management.expect, actor(request), expected)
        shape = await REQUESTS.run(self._shape, request, uid)
        return answer(shape, 201, {"Location": f"{origin(request)}{self.root}/studies/{uid}"})

    @describe(Operation(body=StudyChanges, answers=_STUDY))
    async def change_study(self, request: Request) -> Response:
        """Change priority, notes, body part or state; as long as there are no images, other fields too."""
        uid = uid_in_path(request, "study")
        body = await read(request, StudyChanges)
        amendment = Amendment(body.priority, body.clinical_notes, body.body_part, body.state, as_dicom(body))
        await REQUESTS.run(self.management.amend, actor(request), uid, amendment)
        return answer(await REQUESTS.run(self._shape, request, uid))

    @describe(DELETION)
    async def delete_study(self, request: Request) -> Response:
        """Delete a study for a reason. It is gone at once; its bytes stay for the retention period."""
        uid, reason = uid_in_path(request, "study"), await reason_given(request)
        made = await REQUESTS.run(self.management.delete, actor(request), uid, None, reason)
        return deleted(request, self.root, made)

    @describe(listed())
    def list_series(self, request: Request) -> Response:
        """The series of a study, by number."""
        return self._below(request, _SERIES, shapes.series)

    @describe(listed())
    def list_images(self, request: Request) -> Response:
        """The instances of a study, by series and number."""
        return self._images(request)

    @describe(listed())
    def list_images_of_study(self, request: Request) -> Response:
        """The images of a study, by series and number."""
        return self._images(request)

    def _images(self, request: Request) -> Response:
        return self._below(request, _IMAGES, partial(shapes.image, root=f"{origin(request)}{self.root}"))

    def _below(self, request: Request, all_of: Query, shape: Callable[[Values], shapes.Shape]) -> Response:
        uid, (_, page) = uid_in_path(request, "study"), filters_and_page(request)
        named = equals("StudyInstanceUID", uid)
        query = replace(all_of, conditions=(named,), limit=page.limit, offset=page.offset)
        found = self.archive.page(actor(request), query)
        if not found.answers:
            self._values(request, uid)  # `NotFound` if there is no such study at all
        return page.answer([shape(values) for values in found.answers], found.total)

    def _shape(self, request: Request, uid: str) -> shapes.Shape:
        return shapes.study(self._values(request, uid))

    def _values(self, request: Request, uid: str) -> Values:
        named = equals("StudyInstanceUID", uid)
        query = Query(Level.STUDY, (named,), shapes.STUDY, limit=1, expected=True)
        found = self.archive.page(actor(request), query).answers
        if not found:
            raise NotFound
        return found[0]
