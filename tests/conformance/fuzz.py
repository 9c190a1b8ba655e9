"""What clients must not send, for hypothesis to draw from: near enough to HTTP and DICOMweb to go deep."""

from __future__ import annotations

import json

from hypothesis import strategies as st

RESOURCES = (
    "/dicom-web/studies",
    "/dicom-web/series",
    "/dicom-web/studies/{study}/instances",
    "{path}",
    "{path}/metadata",
    "{path}/frames/1",
    "{path}/rendered",
    "{path}/thumbnail",
    "{path}/bulkdata/7FE00010",
    "/wado",
    "/api/v1/studies",
    "/api/v1/changes",
)
"""`{path}`: of an instance that is there; `{study}`: its study's UID."""

_KEYS = """
PatientName StudyDate StudyTime 00100020 00400275.00400009 includefield limit offset fuzzymatching accept q
ModalitiesInStudy StudyInstanceUID window viewport quality annotation iccprofile requestType objectUID rows
studyUID contentType frameNumber windowWidth after sort 00091001 7FE00010 TimezoneOffsetFromUTC
"""
_VALUES = "* ? , - \\ % _ ^ = 20250101- -20250101 1e999 -1 0 99999999999999999999 all NaN %00 %ff %"


def _escaped(raw: bytes) -> str:
    return "".join(f"%{byte:02X}" for byte in raw)


def _words(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(text.split())


VALUES = st.one_of(
    _words(_VALUES),
    st.text(max_size=20).map(lambda text: _escaped(text.encode("utf-8", "surrogatepass"))),
    st.binary(max_size=12).map(_escaped),
    st.integers(1, 4000).map(lambda n: "*a" * n),
)
QUERIES = st.lists(st.tuples(_words(_KEYS), VALUES), max_size=8).map(
    lambda pairs: "&".join(f"{key}={value}" for key, value in pairs)
)

_ACCEPT = """
multipart/related */* application/dicom application/dicom+json image/jpeg image/* ; , " = type= q= 0.5 nan \\
type="application/octet-stream" transfer-syntax=* transfer-syntax=1.2.840.10008.1.2.4.50 // * \x80
"""
ACCEPTS = st.one_of(
    st.binary(max_size=60).map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\0")),
    st.lists(_words(_ACCEPT), max_size=40).map(lambda words: "".join(words).encode("latin-1")),
)

_PARTS = [
    *(b"--b\r\n", b"--b--", b"--b--\r\n", b"\r\n--b\r\n", b"\n--b\n", b"\r\n\r\n", b"\r\n", b"--", b"--b"),
    b"Content-Type: application/dicom\r\n\r\n",
    b"Content-Type: application/dicom+json\r\n\r\n",
    b"Content-Type: " + b"x" * 5000,
    b"Content-Location: bulk\r\n",
    b": \r\n",
    b"[{}]",
    b"[" * 2000,
    b'[{"00080018": {"vr": "UI", "Value": ["1.2"]}}]',
    b"\0" * 200,
]


@st.composite
def multiparts(draw: st.DrawFn, files: list[bytes]) -> bytes:
    """Delimiters, headers and bodies in any order, cut anywhere."""
    pieces = st.one_of(st.sampled_from(_PARTS), st.sampled_from(files), st.binary(max_size=100))
    body = b"".join(draw(st.lists(pieces, max_size=12)))
    return body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_NAMES = "email password old new reason patient_id patient_name study_instance_uid files name role 00080018"
_DEEP = [
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'"\\ud800"',
    b"\xef\xbb\xbf{}",
    b'{"reason": "\\u0000"}',
    b"9" * 5000,
]
JSON_BODIES = st.one_of(
    _JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(_words(_NAMES), _JSON, max_size=6).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.sampled_from(_DEEP),
)

_LINES = [b"GET / HTTP/1.1\r\n", b"POST /dicom-web/studies HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n"]
_HEADERS = [
    b"Host: x\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"ffffffffff\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\n",
    b"Range: bytes=0-0,1-1\r\n",
    b'Forwarded: for="[";host=\xff\r\n',
    b"X-Forwarded-Host: \xff/../\r\n",
    b"X-Correlation-ID: \x01\r\n",
    b"Authorization: Bearer \xff\r\n",
    b"Cookie: pacs_session=\xff\r\n",
    b": \r\n",
    b"\r\n",
]
BARE = st.lists(st.one_of(st.sampled_from([*_LINES, *_HEADERS]), st.binary(max_size=40)), max_size=10)
