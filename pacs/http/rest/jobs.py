"""`/api/v1/jobs`: background jobs for administrators: waiting, running and failed ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from starlette.requests import Request
from starlette.responses import Response

from pacs.errors import BadInput, NotFound
from pacs.http.operation import OBJECT, Operation, answers_json, describe, one_of
from pacs.http.resource import Resource, actor
from pacs.http.rest.answers import answer
from pacs.http.rest.listing import filters_and_page, listed
from pacs.http.rest.parameters import number, parameters
from pacs.jobs.job import JobState
from pacs.ports import Jobs
from pacs.rights import Right

_STATE = {"state": one_of(JobState)}


@dataclass(frozen=True, slots=True)
class JobResources:
    jobs: Jobs
    root: str

    def routes(self) -> list[Resource]:
        root = f"{self.root}/jobs"
        return [
            Resource(root, self.list_jobs, Right.ADMINISTER),
            Resource(root, self.drop_jobs, Right.ADMINISTER, ("DELETE",)),
            Resource(f"{root}/{{job}}/retry", self.retry, Right.ADMINISTER, ("POST",)),
        ]

    @describe(listed(_STATE))
    def list_jobs(self, request: Request) -> Response:
        """The organisation's jobs, the oldest first. A finished job is no longer listed."""
        given, page = filters_and_page(request, _STATE)
        state = _state(given["state"]) if "state" in given else None
        found, total = self.jobs.page(actor(request).organization, state, page.limit, page.offset)
        return page.answer([asdict(each) for each in found], total)

    @describe(Operation({"state": {**_STATE["state"], "required": True}}, answers=answers_json(OBJECT)))
    def drop_jobs(self, request: Request) -> Response:
        """Drop failed jobs, or waiting tasks."""
        state = _state(parameters(request, ("state",)).get("state", ""))
        if state is JobState.RUNNING:
            raise BadInput("running jobs cannot be dropped")
        return answer({"dropped": self.jobs.drop(actor(request), state)})

    @describe(Operation(status=204))
    def retry(self, request: Request) -> Response:
        """Retry a failed job now, with all its attempts again."""
        parameters(request, ())
        job = str(request.path_params["job"])
        if not job.isdecimal() or not self.jobs.retry(actor(request), number({"job": job}, "job", 0)):
            raise NotFound
        return Response(status_code=204)


def _state(text: str) -> JobState:
    try:
        return JobState(text)
    except ValueError:
        raise BadInput(f"state must be one of {', '.join(JobState)}") from None
