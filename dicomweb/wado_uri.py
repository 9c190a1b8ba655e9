"""WADO-URI (PS3.18 §9): one instance by the parameters of a query, as a file or as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.paths import Path
from dicomweb.presented import is_applied, references_of
from dicomweb.rendered import RetrieveRendered
from dicomweb.rendered_parameters import LARGEST_SIDE, annotated, integer, number, quality, window
from dicomweb.rendered_parts import RequestedPictures
from dicomweb.retrieval import DEFAULT, Preference, preferences
from dicomweb.retrieve import ALONE, RetrieveDicom
from pacs.errors import BadInput, NotAcceptable, NotFound
from pacs.http.accept import AS_STORED, DICOM, MediaRange, acceptable, of_query, takes
from pacs.http.operation import BINARY, TEXT, UID, WHOLE, Operation
from pacs.http.pictures import Pictures
from pacs.http.resource import Resource, actor
from pacs.ingest import is_uid
from pacs.model import StoredInstance
from pacs.pixels.parameters import LARGEST_VIEWPORT, Region, RenderParameters, Viewport
from pacs.rendering import is_image
from pacs.rights import Right
from pacs.transcoding import Transcoder

PATH = "/wado"
_PARAMETERS = frozenset(
    (
        *("requestType", "studyUID", "seriesUID", "objectUID", "contentType", "charset", "anonymize"),
        *("annotation", "rows", "columns", "region", "windowCenter", "windowWidth", "frameNumber"),
        *("imageQuality", "presentationUID", "presentationSeriesUID", "transferSyntax"),
    )
)
_FOR_PICTURES = frozenset(
    {"annotation", "rows", "columns", "region", "windowCenter", "imageQuality", "presentationUID"}
)
_OPERATION = Operation(
    {
        "requestType": {"type": "string", "enum": ["WADO"], "required": True},
        **{name: {**UID, "required": True} for name in ("studyUID", "seriesUID", "objectUID")},
        **dict.fromkeys(("presentationUID", "presentationSeriesUID"), UID),
        **dict.fromkeys(("contentType", "transferSyntax", "region", "annotation"), TEXT),
        **{name: {"type": "number"} for name in ("windowCenter", "windowWidth")},
        **dict.fromkeys(("rows", "columns", "frameNumber", "imageQuality"), WHOLE),
    },
    answers={DICOM: BINARY, "image/jpeg": BINARY, "*/*": BINARY},
    summary="Retrieve by URI (PS3.18 §9)",
)


def resource(pictures: Pictures, transcoder: Transcoder) -> Resource:
    files = RetrieveDicom(pictures.rendering.archive, transcoder, "")
    endpoint = WadoUri(RetrieveRendered(pictures, ""), files)
    found = Resource(PATH, pictures.pool.endpoint(endpoint.answer), Right.READ)
    found.operation = _OPERATION
    return found


@dataclass(frozen=True, slots=True)
class WadoUri:
    rendered: RetrieveRendered
    files: RetrieveDicom

    def answer(self, request: Request) -> Response:
        given = _parameters(request)
        path = _path(given)
        ranges = of_query([given["contentType"]]) if given.get("contentType") else acceptable(request)
        archive = self.rendered.pictures.rendering.archive
        instance = next(archive.retrieve(actor(request), path.study, path.series, path.sop))
        if _wants_file(given, ranges):
            return self._file(request, instance, given, ranges)
        if given.get("transferSyntax"):
            raise BadInput("transferSyntax needs contentType=application/dicom")
        named = given.get("frameNumber")
        frames = [integer(named, "frameNumber", 1, 1 << 30)] if named else []
        alone = [replace(each, multipart=False) for each in ranges]
        requested = RequestedPictures(request, path, self._parameters(given, instance), alone, frames)
        if given.get("presentationUID"):
            requested = self._with_state(requested, given, instance)
        try:
            return self.rendered.shown(requested, instance)
        except NotAcceptable:
            if is_image(instance) or not any(takes(each, ALONE) for each in alone):
                raise
            return self._file(request, instance, given, ranges)

    def _with_state(
        self, requested: RequestedPictures, given: Mapping[str, str], image: StoredInstance
    ) -> RequestedPictures:
        """The state is of the same study (PS3.18 §9.5.1.2.7)."""
        archive = self.rendered.pictures.rendering.archive
        place = Path(requested.path.study, given["presentationSeriesUID"], given["presentationUID"])
        try:
            state = next(archive.retrieve(actor(requested.request), place.study, place.series, place.sop))
        except NotFound:
            raise NotFound("there is no such presentation state") from None
        if not is_applied(state):
            raise NotAcceptable("presentationUID names no presentation state of a kind that is applied here")
        sop = image.identity.sop_instance_uid
        of_image = [each for each in references_of(archive, state) if each.is_of(sop)]
        frames = requested.frames or [frame for each in of_image[:1] for frame in each.frames[:1]]
        if not of_image or not all(any(each.is_of(sop, frame) for each in of_image) for frame in frames):
            raise BadInput("the presentation state does not refer to this image")
        return replace(requested, frames=frames, state=state)

    def _file(
        self,
        request: Request,
        instance: StoredInstance,
        given: Mapping[str, str],
        ranges: Sequence[MediaRange],
    ) -> Response:
        """In the transfer syntax that `transferSyntax` names, or else the media type. `*` means as stored, as
        in other archives."""
        if odd := sorted(name for name in _FOR_PICTURES if given.get(name)):
            raise BadInput(f"{odd[0]} applies to pictures, not to contentType=application/dicom")
        if given.get("frameNumber"):
            raise BadInput("frameNumber applies to pictures, not to contentType=application/dicom")
        syntax = given.get("transferSyntax", "")
        if syntax and syntax != AS_STORED and not is_uid(syntax):
            raise BadInput("transferSyntax must be a UID, or * for the stored one")
        named = preferences(each for each in ranges if takes(each, ALONE))
        wanted = [Preference(frozenset({syntax}))] if syntax else named or [DEFAULT]
        response = self.files.sent(request, _path(given), [instance], ALONE, wanted)
        if response.status_code != 304:
            response.headers["Content-Type"] = DICOM  # §9 has no transfer-syntax there
        return response

    def _parameters(self, given: Mapping[str, str], instance: StoredInstance) -> RenderParameters:
        center, width = given.get("windowCenter"), given.get("windowWidth")
        if bool(center) != bool(width):
            raise BadInput("windowCenter and windowWidth must be given together")
        return RenderParameters(
            window=window(center, width) if center and width else None,
            viewport=self._viewport(given, instance),
            annotations=annotated(given.get("annotation", "")),
            quality=quality(given.get("imageQuality")),
        )

    def _viewport(self, given: Mapping[str, str], instance: StoredInstance) -> Viewport | None:
        """`rows` and `columns` are upper bounds; one of them suffices (§9.1.2)."""
        rows, columns = (_side(given.get(name), name) for name in ("rows", "columns"))
        wanted = given.get("region")
        shows_image = is_image(instance) or is_applied(instance)
        if not shows_image or not (rows or columns or wanted):
            return None
        if wanted and not is_image(instance):
            raise BadInput("region is decided by the presentation state")
        region = None
        if wanted:
            height, width = self._size(instance)
            region = _region(wanted, height, width)
            if not rows and not columns:
                rows, columns = max(1, round(region.height)), max(1, round(region.width))
        side = min(LARGEST_SIDE, LARGEST_VIEWPORT // max(rows, columns))  # where none is asked for
        return Viewport(columns or side, rows or side, region)

    def _size(self, instance: StoredInstance) -> tuple[int, int]:
        archive = self.rendered.pictures.rendering.archive
        with archive.open(instance) as reader:
            header = instance.header(reader, archive.limits)
            return header.integer("Rows", 1), header.integer("Columns", 1)


def _parameters(request: Request) -> dict[str, str]:
    """Unsupported parameters of PS3.18 §9 are refused; any others are ignored."""
    given = {name: value for name, value in request.query_params.items() if name in _PARAMETERS}
    if given.get("requestType") != "WADO":
        raise BadInput("requestType must be WADO")
    if given.get("anonymize", "no") not in ("", "no"):
        raise NotAcceptable("anonymize is not supported: objects are not de-identified on retrieval")
    _check_presentation(given)
    charsets = {each.partition(";")[0].strip().lower() for each in given.get("charset", "").split(",")}
    if not charsets & {"", "utf-8", "utf8", "iso_ir 192", "*"}:
        raise NotAcceptable("charset must be UTF-8")
    return given


def _check_presentation(given: Mapping[str, str]) -> None:
    """Both or none, and nothing that the presentation state itself decides (PS3.18 §9.5.1.2)."""
    uids = [given.get(name, "") for name in ("presentationUID", "presentationSeriesUID")]
    if not any(uids):
        return
    if not all(map(is_uid, uids)):
        raise BadInput("presentationUID and presentationSeriesUID must be given together, and be UIDs")
    for name in ("windowCenter", "windowWidth", "region"):
        if given.get(name):
            raise BadInput(f"{name} is decided by the presentation state and cannot be given with it")


def _path(given: Mapping[str, str]) -> Path:
    study, series, sop = (given.get(name, "").strip() for name in ("studyUID", "seriesUID", "objectUID"))
    for name, uid in (("studyUID", study), ("seriesUID", series), ("objectUID", sop)):
        if not is_uid(uid):
            raise BadInput(f"{name} is missing or malformed")
    return Path(study, series, sop)


def _wants_file(given: Mapping[str, str], ranges: Sequence[MediaRange]) -> bool:
    """Whether a DICOM file was requested explicitly; the default is a rendition (§9.1.2.1)."""
    if given.get("transferSyntax") and not given.get("contentType"):
        return True
    return max(ranges, key=lambda each: each.q).media_type == DICOM


def _side(given: str | None, name: str) -> int:
    """0 when absent."""
    return integer(given, name, 1, LARGEST_SIDE) if given else 0


def _region(text: str, rows: int, columns: int) -> Region:
    """Left, top, right and bottom as fractions of the image, from 0 to 1 (§9.1.2.2)."""
    sides = [number(part, "region") for part in text.split(",")]
    if len(sides) != 4 or not 0 <= sides[0] < sides[2] <= 1 or not 0 <= sides[1] < sides[3] <= 1:
        raise BadInput("region must be left,top,right,bottom, each from 0 to 1")
    left, top, right, bottom = sides
    return Region(left * columns, top * rows, (right - left) * columns, (bottom - top) * rows)
