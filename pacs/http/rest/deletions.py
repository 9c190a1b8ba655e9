"""`/api/v1/deletions`: deleted studies and images, which can be restored while their bytes are kept.

Also what a request to delete one has in common, wherever it is sent: its reason and its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from pacs.errors import BadInput, NotFound
from pacs.http.operation import OBJECT, Operation, answers_json, describe
from pacs.http.origin import origin
from pacs.http.resource import Resource, actor, name_in_path
from pacs.http.rest import shapes
from pacs.http.rest.answers import accepted, answer
from pacs.http.rest.bodies import Body, read
from pacs.http.rest.listing import filters_and_page, listed
from pacs.http.rest.parameters import parameters
from pacs.ports import StudyManagement
from pacs.rights import Right
from pacs.study_management import Deletion

_FILTER = {
    "can_be_restored": {"type": "boolean", "default": False, "description": "true: leave out all others"}
}

MAX_REASON = 500
_REASON = {"type": "string", "minLength": 3, "maxLength": MAX_REASON, "description": "Here or in the body"}


class Reason(Body):
    reason: Annotated[str, Field(min_length=3, max_length=MAX_REASON, pattern=r"^[^\x00]*$")]


DELETION = Operation({"reason": _REASON}, body={"application/json": Reason.model_json_schema()}, status=204)


async def reason_given(request: Request) -> str:
    """The reason for a deletion: in the body, or in the query for clients whose DELETE has no body."""
    given = parameters(request, ("reason",))
    if "reason" in given:
        reason = given["reason"].strip()
        if not 3 <= len(reason) <= MAX_REASON or "\0" in reason:
            raise BadInput(f"reason must have 3 to {MAX_REASON} characters")
        return reason
    if not {"content-type", "content-length", "transfer-encoding"} & set(request.headers.keys()):
        raise BadInput("give a reason, in the query (?reason=…) or in a JSON body")
    return (await read(request, Reason)).reason


def deleted(request: Request, root: str, made: Deletion) -> Response:
    """The answer to a deletion; its Location is the deletion, from which it can be restored."""
    return Response(status_code=204, headers={"Location": f"{origin(request)}{root}/deletions/{made.id}"})


@dataclass(frozen=True, slots=True)
class Deletions:
    management: StudyManagement
    root: str

    def routes(self) -> list[Resource]:
        root = f"{self.root}/deletions"
        return [
            Resource(root, self.list_deletions, Right.DELETE),
            Resource(f"{root}/{{deletion}}", self.show_deletion, Right.DELETE),
            Resource(f"{root}/{{deletion}}/restore", self.restore, Right.DELETE, ("POST",)),
        ]

    @describe(listed(_FILTER))
    def list_deletions(self, request: Request) -> Response:
        """What was deleted, by whom and why; the newest first."""
        given, page = filters_and_page(request, _FILTER)
        kept = given.get("can_be_restored", "false")
        if kept not in ("true", "false"):
            raise BadInput("can_be_restored must be true or false")
        found, total = self.management.deletions(
            actor(request).organization, page.limit, page.offset, restorable=kept == "true"
        )
        return page.answer([_shape(each) for each in found], total)

    @describe(Operation(answers=answers_json(OBJECT)))
    def show_deletion(self, request: Request) -> Response:
        """One deletion."""
        parameters(request, ())
        found = self.management.deletion(actor(request).organization, name_in_path(request, "deletion"))
        if found is None:
            raise NotFound
        return answer(_shape(found))

    @describe(Operation(status=202, answers=answers_json(OBJECT)))
    def restore(self, request: Request) -> Response:
        """Restore a deletion, as a task. 409 once its bytes are purged."""
        parameters(request, ())
        task = self.management.restore(actor(request), name_in_path(request, "deletion"))
        return accepted(request, task)


def _shape(deletion: Deletion) -> shapes.Shape:
    return {
        "id": deletion.id,
        "study_instance_uid": deletion.study_instance_uid,
        "sop_instance_uid": deletion.sop_instance_uid,
        "images": deletion.instances,
        "reason": deletion.reason,
        "deleted_by": deletion.actor_name,
        "deleted_at": deletion.deleted_at,
        "kept_until": deletion.purge_at,
        "can_be_restored": deletion.can_be_restored,
        "restored_by_task": deletion.restored_by,
        "patient": {"id": deletion.patient_id, "name": deletion.patient_name},
        "study_date": shapes.date(deletion.study_date),
        "description": deletion.study_description,
        "accession_number": deletion.accession_number,
        "modalities": shapes.words(deletion.modalities_in_study),
    }
