"""The form of an upload: files, spooled as they arrive, and fields that describe files other than DICOM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message

from pydantic import ValidationError
from starlette.requests import Request

from pacs.errors import BadInput, LimitExceeded, PacsError, Unprocessable, UnsupportedMediaType
from pacs.http.intake import Intake, IntakePool, Sink, feed
from pacs.http.multipart_reader import MultipartReader, PartBegins
from pacs.http.operation import BINARY, Schema
from pacs.http.rest.bodies import faults
from pacs.http.rest.study_fields import KEYWORDS, BodyPart, Line, StudyFields, as_dicom
from pacs.jobs.tasks import Upload
from pacs.ports import Blobs
from pacs.uploaded_file import UploadedFile

FORM = "multipart/form-data"
MAX_FILES = 10_000
MAX_NAME = 255
MAX_TEXT = 16 << 10
"""Bytes of all fields other than files."""


class PictureFields(StudyFields):
    """Fields about pictures: whose they are, and what they show."""

    series_description: Line | None = None
    body_part: BodyPart | None = None


_KEYWORDS = {
    **KEYWORDS,
    "study_instance_uid": "StudyInstanceUID",
    "series_description": "SeriesDescription",
    "body_part": "BodyPartExamined",
}
_FIELDS: dict[str, Schema] = {
    name: {"type": "string", "description": "For pictures that are not DICOM"}
    for name in PictureFields.model_fields
}
SCHEMA: Schema = {
    "type": "object",
    "required": ["files"],
    "properties": {"files": {"type": "array", "minItems": 1, "items": BINARY}, **_FIELDS},
}


@dataclass(frozen=True, slots=True)
class Form:
    """`attributes`: keyword → value from the fields; `study`: the Study Instance UID among them."""

    files: Sequence[Upload]
    attributes: Mapping[str, str]

    @property
    def study(self) -> str | None:
        return self.attributes.get("StudyInstanceUID")


async def read_form(request: Request, blobs: Blobs, pool: IntakePool) -> Form:
    """`BadInput`, and nothing is kept, for an unsafe archive, a form that ends early or an invalid field."""
    reader = MultipartReader(_boundary(request))
    fields, count = _Fields(), 0

    def sink(part: PartBegins) -> Sink:
        nonlocal count
        count += 1
        if count > MAX_FILES:
            raise LimitExceeded(f"more than {MAX_FILES} files in one request")
        name, file = _names(part)
        return fields.sink(name) if file is None else _File(blobs, file)

    async with Intake(pool) as intake:
        await feed(request, reader, intake, sink)
        results = await intake.results()
    for result in results:
        if isinstance(result, PacsError):
            raise result
    files = [result for result in results if isinstance(result, Upload)]
    if not files:
        raise BadInput("the form has no files")
    return Form(files, fields.attributes())


class _File(Sink):
    """Sink of one file: spooled, checked when it is an archive, then published unchanged."""

    def __init__(self, blobs: Blobs, name: str) -> None:
        self._blobs = blobs
        self._name = name
        self._spool = blobs.spool()

    def write(self, data: bytes) -> None:
        self._spool.write(data)

    def finish(self) -> Upload:
        items = UploadedFile(self._spool, self._spool.size).check()
        return Upload(self._blobs.publish(self._spool), self._name, items)

    def close(self) -> None:
        self._spool.__exit__(None, None, None)


class _Fields:
    """The fields other than files. Unknown ones are ignored, as browsers send some."""

    def __init__(self) -> None:
        self._found: dict[str, _Field] = {}
        self._left = MAX_TEXT

    def sink(self, name: str) -> Sink:
        field = _Field(self)
        if name in PictureFields.model_fields:
            self._found[name] = field
        return field

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise LimitExceeded(f"the form's fields have more than {MAX_TEXT} bytes")

    def attributes(self) -> dict[str, str]:
        """Keyword → value; `Unprocessable` for a value that its attribute cannot have."""
        given = {name: field.text.strip() for name, field in self._found.items() if field.text.strip()}
        try:
            return as_dicom(PictureFields.model_validate(given), _KEYWORDS)
        except ValidationError as error:
            raise Unprocessable(faults(error)) from None


class _Field(Sink):
    def __init__(self, fields: _Fields) -> None:
        self._fields = fields
        self._data = bytearray()

    @property
    def text(self) -> str:
        return self._data.decode("utf-8", "replace")

    def write(self, data: bytes) -> None:
        self._fields.take(len(data))
        self._data += data

    def finish(self) -> None:
        """Nothing to do: the form reads `text`."""


def _boundary(request: Request) -> str:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    if header.get_content_type() != FORM:
        raise UnsupportedMediaType(f"files are sent as {FORM}")
    return str(header.get_param("boundary") or "")


def _names(part: PartBegins) -> tuple[str, str | None]:
    """The names of the field and of its file (None for a plain field). A folder upload has paths as file
    names: displayed, never used as paths."""
    header = Message()
    header["content-disposition"] = part.headers.get("content-disposition", "")
    field, name = str(header.get_param("name", "", "content-disposition")), header.get_filename()
    if name is None:
        return field, None
    decoded = name.encode("latin-1", "replace").decode("utf-8", "replace")
    return field, "".join(letter for letter in decoded if letter.isprintable())[-MAX_NAME:] or "file"
