"""`/api/v1/deletions`: deleted studies and images, which can be restored while their bytes are kept."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from pacs.errors import BadInput, NotFound
from pacs.http.described import LISTING, OBJECT, PAGED, Described, answers_json, describe
from pacs.http.resource import Resource, actor, name_in_path
from pacs.http.rest import shapes
from pacs.http.rest.answers import answer, begun, listing
from pacs.http.rest.parameters import PAGING, paging, parameters
from pacs.keeping import Deletion
from pacs.ports import Keeping
from pacs.rights import Right

_FILTER = {
    "can_be_restored": {"type": "boolean", "default": False, "description": "true: leave out all others"}
}


@dataclass(frozen=True, slots=True)
class Deletions:
    keeping: Keeping
    root: str

    def routes(self) -> list[Resource]:
        root = f"{self.root}/deletions"
        return [
            Resource(root, self.list_deletions, Right.DELETE),
            Resource(f"{root}/{{deletion}}", self.show_deletion, Right.DELETE),
            Resource(f"{root}/{{deletion}}/restore", self.restore, Right.DELETE, ("POST",)),
        ]

    @describe(Described({**_FILTER, **PAGED}, answers=answers_json(LISTING)))
    def list_deletions(self, request: Request) -> Response:
        """What was deleted, by whom and why; the newest first."""
        given = parameters(request, PAGING | _FILTER.keys())
        page, kept = paging(given), given.get("can_be_restored", "false")
        if kept not in ("true", "false"):
            raise BadInput("can_be_restored must be true or false")
        found, total = self.keeping.deletions(
            actor(request).organization, page.limit, page.offset, restorable=kept == "true"
        )
        return listing([_shape(each) for each in found], total, page.limit, page.offset)

    @describe(Described(answers=answers_json(OBJECT)))
    def show_deletion(self, request: Request) -> Response:
        """One deletion."""
        parameters(request, ())
        found = self.keeping.deletion(actor(request).organization, name_in_path(request, "deletion"))
        if found is None:
            raise NotFound
        return answer(_shape(found))

    @describe(Described(status=202, answers=answers_json(OBJECT)))
    def restore(self, request: Request) -> Response:
        """Restore a deletion, as a task. 409 once its bytes are purged."""
        parameters(request, ())
        task = self.keeping.restore(actor(request), name_in_path(request, "deletion"))
        return begun(request, task)


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
