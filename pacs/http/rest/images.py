"""`/api/v1/images`: single images by their SOP Instance UID."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pacs.archive import Archive
from pacs.attributes import BY_KEYWORD, Level
from pacs.bulk import BulkValue
from pacs.capture import SECONDARY_CAPTURE, original
from pacs.errors import NotFound
from pacs.http.dicomweb_urls import resource_url
from pacs.http.operation import BINARY, OBJECT, TEXT, Operation, answers_json, describe
from pacs.http.origin import origin
from pacs.http.resource import Public, Resource, actor, name_in_path
from pacs.http.rest import shapes
from pacs.http.rest.answers import answer
from pacs.http.rest.deletions import DELETION, deleted, reason_given
from pacs.http.rest.in_path import equals, image_in_path, image_with_frames, uid_in_path
from pacs.http.rest.listing import Page, filters_and_page, listed
from pacs.http.rest.parameters import number, parameters
from pacs.http.rest.signed_urls import LONGEST, Signer
from pacs.http.streaming import Streamed, body_answer, closing
from pacs.http.threads import REQUESTS
from pacs.http.viewings import retrieved
from pacs.metadata import Metadata
from pacs.model import StoredInstance
from pacs.part10_file import part10_file
from pacs.pixels.photo import MEDIA_TYPES
from pacs.ports import StudyManagement
from pacs.rights import Right
from pacs.search.query import Condition, Query
from pacs.search.values import parse_value
from pacs.study_management import Deletion

DICOM_JSON = "application/dicom+json"
_SECONDS = {"type": "integer", "minimum": 1, "maximum": LONGEST, "default": 300}
_SIGNATURE = dict.fromkeys(("expires", "organization", "by", "signature"), TEXT)
_KEYWORDS = {
    "modality": "Modality",
    "patient_id": "PatientID",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "sop_class_uid": "SOPClassUID",
}
_FILTERS = dict.fromkeys(_KEYWORDS, TEXT)


@dataclass(frozen=True, slots=True)
class Images:
    """`web_root`: path of DICOMweb, which the metadata's BulkDataURIs refer to."""

    archive: Archive
    management: StudyManagement
    metadata: Metadata
    signer: Signer
    root: str
    web_root: str

    def routes(self) -> list[Route]:
        one = f"{self.root}/images/{{sop}}"
        return [
            Resource(f"{self.root}/images", self.list_images, Right.READ),
            Resource(f"{self.root}/images/patient/{{pid:path}}", self.list_images_of_patient, Right.READ),
            Resource(one, self.show_image, Right.READ),
            Resource(one, self.delete_image, Right.DELETE, ("DELETE",)),
            Resource(f"{one}/original", self.fetch_original, Right.READ),
            Resource(f"{one}/metadata", self.show_metadata, Right.READ),
            Resource(f"{one}/url", self.sign_url, Right.READ),
            Public(f"{self.root}/signed/images/{{sop}}", self.fetch_signed),
        ]

    @describe(listed(_FILTERS))
    def list_images(self, request: Request) -> Response:
        """All images of the organisation, the newest first, or those that the filters select."""
        given, page = filters_and_page(request, _FILTERS)
        tests = ((BY_KEYWORD[_KEYWORDS[name]], value) for name, value in given.items())
        conditions = tuple(Condition(a, test) for a, value in tests if (test := parse_value(a, value)))
        return self._listed(request, conditions, page)

    @describe(listed())
    def list_images_of_patient(self, request: Request) -> Response:
        """All images of the patient with exactly this Patient ID, the newest first."""
        _, page = filters_and_page(request)
        patient_id = name_in_path(request, "pid")
        return self._listed(request, (equals("PatientID", patient_id),), page)

    def _listed(self, request: Request, conditions: tuple[Condition, ...], page: Page) -> Response:
        query = Query(Level.IMAGE, conditions, shapes.IMAGE, limit=page.limit, offset=page.offset)
        found = self.archive.page(actor(request), query)
        root = f"{origin(request)}{self.root}"
        items = [shapes.image(values, root) for values in found.answers]
        return page.answer(items, found.total)

    @describe(Operation(answers=answers_json(OBJECT)))
    def show_image(self, request: Request) -> Response:
        """One image: identity, acquisition, display attributes and links."""
        named = equals("SOPInstanceUID", uid_in_path(request, "sop"))
        query = Query(Level.IMAGE, (named,), shapes.IMAGE_DETAILS, limit=1)
        found = self.archive.page(actor(request), query).answers
        if not found:
            raise NotFound
        (values,) = found
        shape = shapes.image_details(values, f"{origin(request)}{self.root}")
        if values["SOPClassUID"] == SECONDARY_CAPTURE:
            with self._file_of(image_with_frames(request, self.archive)) as file:
                shape["is_dicom"] = file is None
        return answer(shape)

    @describe(Operation(answers=dict.fromkeys(sorted(MEDIA_TYPES), BINARY)))
    def fetch_original(self, request: Request) -> Response:
        """The uploaded picture that this image was made from."""
        instance = image_with_frames(request, self.archive)
        with ExitStack() as opened:
            file = opened.enter_context(self._file_of(instance))
            if file is None:
                raise NotFound("this image was not made from an uploaded picture")
            retrieved(request, self.archive, instance.identity.study_instance_uid, form="original")
            body = closing(opened.pop_all(), file.pieces(0, file.size))
            return body_answer(body, file.media_type, file.size)

    @contextmanager
    def _file_of(self, instance: StoredInstance) -> Iterator[BulkValue | None]:
        with self.archive.header(instance) as header:
            yield original(header, instance)

    @describe(DELETION)
    async def delete_image(self, request: Request) -> Response:
        """Delete an image for a reason. It is gone at once; its bytes stay for the retention period."""
        reason = await reason_given(request)
        made = await REQUESTS.run(self._delete, request, reason)
        return deleted(request, self.root, made)

    def _delete(self, request: Request, reason: str) -> Deletion:
        uids = image_in_path(request, self.archive).identity
        return self.management.delete(actor(request), uids.study_instance_uid, uids.sop_instance_uid, reason)

    @describe(Operation(answers={DICOM_JSON: {"type": "array", "items": OBJECT}}))
    def show_metadata(self, request: Request) -> Response:
        """The DICOM JSON of one image, as from DICOMweb's `/metadata`; bulk data by URI."""
        who, found = actor(request), image_in_path(request, self.archive).identity
        study, series = found.study_instance_uid, found.series_instance_uid
        current = self.metadata.current(who, study, series, found.sop_instance_uid)
        uri = partial(resource_url, f"{origin(request)}{self.web_root}", study)
        body = b",".join(self.metadata.read(who, current, uri))
        retrieved(request, self.archive, study, level="IMAGE", form="metadata", completed=1)
        return Response(b"[" + body + b"]", media_type=DICOM_JSON)

    @describe(Operation({"expires": _SECONDS}, answers=answers_json(OBJECT)))
    def sign_url(self, request: Request) -> Response:
        """A URL that returns the DICOM file without authentication for `expires` seconds."""
        seconds = number(parameters(request, ("expires",)), "expires", 300, 1, LONGEST)
        instance, who = image_in_path(request, self.archive), actor(request)
        found = instance.identity
        self.archive.record(
            who, "share", resource=found.study_instance_uid, instance=found.sop_instance_uid, seconds=seconds
        )
        path = f"{self.root}/signed/images/{found.sop_instance_uid}"
        ours = f"{origin(request)}{path}?{self.signer.sign(path, who, seconds)}"
        return answer({"url": self._in_store(instance, seconds) or ours, "expires_in": seconds})

    def _in_store(self, instance: StoredInstance, seconds: int) -> str | None:
        """The store's own link, if it holds the object as a complete file."""
        if part10_file(self.archive, instance).header:
            return None
        return self.archive.blobs.link(instance.blob.address, seconds)

    @describe(Operation(_SIGNATURE, answers={"application/dicom": BINARY}))
    def fetch_signed(self, request: Request) -> Response:
        """The DICOM file of a signed URL."""
        uid, given = uid_in_path(request, "sop"), parameters(request, _SIGNATURE)
        who = self.signer.verified(request, f"{self.root}/signed/images/{uid}", given)
        instance = image_in_path(request, self.archive, who)
        study = instance.identity.study_instance_uid
        retrieved(request, self.archive, study, who, form="signed", instances=[uid])
        headers = {"Content-Disposition": f'attachment; filename="{uid}.dcm"'}
        file = part10_file(self.archive, instance)
        return Streamed(file.pieces(self.archive), "application/dicom", file.size, headers=headers)
