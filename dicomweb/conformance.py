"""DICOMweb in the DICOM conformance statement (PS3.2), written from the tables that the code works by."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.uid import UID

from dicomweb import bulkdata, frames, wado_uri
from dicomweb.app import ROOT
from dicomweb.data_set_types import JSON, PLAIN_JSON, XML
from dicomweb.frame_types import COMPRESSED, LOSSY
from dicomweb.paths import EACH_LEVEL, STUDY
from dicomweb.rendered import MOVING, STILL
from dicomweb.search import qido
from dicomweb.search.qido import SearchSettings
from dicomweb.store.metadata import READERS
from pacs.http.accept import DICOM, MULTIPART, OCTETS, ZIP
from pacs.pixels.transcode import ENCODABLE

_RENDERED = (*EACH_LEVEL, frames.PATH)
_DATA_SETS = f"`{JSON}`, `{PLAIN_JSON}`, `{XML}` in `{MULTIPART}`"
_FILES = f"`{DICOM}` in `{MULTIPART}`, alone for one instance, or in `{ZIP}`"

RESOURCES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("Search (QIDO-RS)", "GET", tuple(qido.PATHS), _DATA_SETS),
    ("Retrieve: files", "GET", EACH_LEVEL, _FILES),
    ("Retrieve: metadata", "GET", tuple(f"{path}/metadata" for path in EACH_LEVEL), _DATA_SETS),
    ("Retrieve: frames", "GET", (frames.PATH,), f"`{OCTETS}`, or as compressed below"),
    ("Retrieve: pixel data", "GET", tuple(f"{path}/pixeldata" for path in EACH_LEVEL), "as frames"),
    (
        "Retrieve: bulk data",
        "GET",
        (*(f"{path}/bulkdata" for path in EACH_LEVEL), bulkdata.PATH),
        f"`{OCTETS}`, or the value's own",
    ),
    (
        "Retrieve: rendered",
        "GET",
        tuple(f"{path}/rendered" for path in _RENDERED),
        f"{', '.join(f'`{kind}`' for kind in STILL)}; moving: {', '.join(f'`{kind}`' for kind in MOVING)}; "
        "documents, videos and reports as they are",
    ),
    ("Retrieve: thumbnail", "GET", tuple(f"{path}/thumbnail" for path in _RENDERED), "as still pictures"),
    (
        "Store (STOW-RS)",
        "POST",
        ("/studies", STUDY),
        f"`{DICOM}`, alone or in `{MULTIPART}`; {', '.join(f'`{kind}`' for kind in READERS)} with bulk data",
    ),
    ("Capabilities", "OPTIONS", ("/",), "WADL, in XML or JSON"),
)
"""Transaction, method, paths below `ROOT`, media types."""


def web_services(settings: SearchSettings) -> str:
    """Markdown, the last section of the statement."""
    compressed = (
        (UID(uid).name, f"`{uid}`", f"`{kind}`", _encoded(uid))
        for uid, kind in sorted(COMPRESSED.items(), key=_videos_last)
    )
    nothing = "204" if settings.no_content else "200 and an empty list"
    return f"""\
## 10. Web services (PS3.18)

Origin server only. Below `{ROOT}`:

{_table(("transaction", "method", "resources", "media types"), map(_row, RESOURCES))}

WADO-URI is at `{wado_uri.PATH}`. Worklist (UPS-RS), deletion and non-patient instances are not offered. Every
request needs a bearer token or a signed-in session; without, it gets 401.

**Search.** The keys are those of section 7, with the matching stated there; also keys within sequences. A UID
may be a list. `includefield`, `fuzzymatching`, `limit`, `offset` and, for studies, `orderby` are supported;
`emptyvaluematching` and `multiplevaluematching` are always on. A page has at most {settings.max_answers}
matches; a Warning tells of more. When nothing matches, the answer is {nothing}.

**Retrieve.** Files are sent in Explicit VR Little Endian, or as stored where that is impossible, unless
Accept names a transfer syntax (`*`: as stored). What cannot be sent in any accepted form is answered 406; of
several, it is left out, with 206 and a Warning, or sent as stored when it proves damaged only on conversion.
Of several, what is missing from the folder of objects is left out in the same way; what proves damaged, or
missing from a bucket, once the answer has begun is replaced by a note (a part of type `text/plain`, or a
`.txt` member). Frames:

{_table(("transfer syntax", "UID", "media type", "also made from others"), compressed)}

**Store.** 200: all stored; 202: some stored, or with warnings; 409: none stored; 413: too large; 415: media
type not supported; 503, 507: try again later. Failure Reason is a status of section 4."""


def _row(resource: tuple[str, str, tuple[str, ...], str]) -> tuple[str, ...]:
    transaction, method, paths, types = resource
    return transaction, method, "<br>".join(f"`{path.replace(':path', '')}`" for path in paths), types


def _videos_last(item: tuple[str, str]) -> tuple[bool, str]:
    uid, media_type = item
    return media_type.startswith("video/"), uid


def _encoded(uid: str) -> str:
    if uid not in ENCODABLE:
        return ""
    return "if named" if uid in LOSSY else "yes"


def _table(header: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
