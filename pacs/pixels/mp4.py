"""The first video track of an MP4 file (ISO/IEC 14496-12), wherever in the file its description lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pacs.dicom.source import Source
from pacs.errors import InvalidDataSet

_MAX_MOVIE = 64 << 20
_MAX_BOXES = 10_000
_CODECS = {
    b"avc1": "1.2.840.10008.1.2.4.102",
    b"avc3": "1.2.840.10008.1.2.4.102",
    b"hvc1": "1.2.840.10008.1.2.4.107",
    b"hev1": "1.2.840.10008.1.2.4.107",
}
"""Sample entry → transfer syntax of High Profile / Level 4.1, Main Profile / Level 5.1."""


@dataclass(frozen=True, slots=True)
class Video:
    """`frame_time`: milliseconds, 0 when the file does not say."""

    transfer_syntax: str
    rows: int
    columns: int
    frames: int
    frame_time: float


def read_mp4(source: Source) -> Video:
    """`InvalidDataSet` when it has no video of a kind that DICOM has a transfer syntax for."""
    for kind, start, end in _top_level(source):
        if kind == b"moov" and end - start <= _MAX_MOVIE:
            movie = source.read_at(start, end - start)
            for track in _find(movie, (b"trak", b"mdia")):
                if video := _video(track):
                    return video
    raise InvalidDataSet("the file has no video that DICOM has a transfer syntax for")


def _top_level(source: Source) -> Iterator[tuple[bytes, int, int]]:
    position = 0
    for _ in range(_MAX_BOXES):
        head = source.read_at(position, 16)
        length, kind, begin = int.from_bytes(head[:4]), head[4:8], 8
        if length == 1:
            length, begin = int.from_bytes(head[8:16]), 16
        if len(head) < 8 or length < begin:
            return
        yield kind, position + begin, position + length
        position += length


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        length = int.from_bytes(data[position : position + 4])
        if length < 8:
            return
        yield data[position + 4 : position + 8], data[position + 8 : position + length]
        position += length


def _find(data: bytes, path: tuple[bytes, ...]) -> Iterator[bytes]:
    """The contents of all boxes at this path."""
    for kind, content in _boxes(data):
        if kind == path[0]:
            if len(path) == 1:
                yield content
            else:
                yield from _find(content, path[1:])


def _video(media: bytes) -> Video | None:
    described = next(_find(media, (b"minf", b"stbl", b"stsd")), b"")
    kind, entry = next(_boxes(described[8:]), (b"", b""))
    if kind not in _CODECS or len(entry) < 28:
        return None
    sizes = next(_find(media, (b"minf", b"stbl", b"stsz")), b"")
    frames = int.from_bytes(sizes[8:12])
    columns, rows = int.from_bytes(entry[24:26]), int.from_bytes(entry[26:28])
    return Video(_CODECS[kind], rows, columns, frames, _duration(media) / frames if frames else 0)


def _duration(media: bytes) -> float:
    """Milliseconds."""
    header = next(_find(media, (b"mdhd",)), b"")
    wide = header[:1] == b"\1"
    scale = int.from_bytes(header[20:24] if wide else header[12:16])
    duration = int.from_bytes(header[24:32] if wide else header[16:20])
    return 1000 * duration / scale if scale else 0
