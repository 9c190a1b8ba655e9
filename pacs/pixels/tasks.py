"""Pixel tasks: values that are sent to a worker process, which runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Protocol

import orjson

from pacs.dicom.frames import FrameIndex, frame_index
from pacs.dicom.header import Header
from pacs.dicom.image import DecodedFrame, ImagePixel
from pacs.dicom.limits import DEFAULT, Limits
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource, Source
from pacs.errors import NotFound
from pacs.pixels.cine import frame_milliseconds
from pacs.pixels.decode import decode
from pacs.pixels.encode import encode, stored_png
from pacs.pixels.frame import read_frame
from pacs.pixels.parameters import RenderParameters
from pacs.pixels.picture import Picture
from pacs.pixels.render import render
from pacs.pixels.softcopy.render import presented
from pacs.pixels.softcopy.stored import StoredState
from pacs.pixels.transcode import encode_frame

PNG_OF_STORED_VALUES = "image/png; values=stored"


Verify = Callable[[], None]


class Task(Protocol):
    def run(self, source: Source) -> bytes: ...


class Workers(Protocol):
    """What runs tasks: see `pacs.pixels.pool`."""

    def run(self, task: Task, source: Source, patient: bool = False, verify: Verify | None = None) -> bytes:
        """`patient`: waits for its turn however long the queue is, instead of being refused.
        `verify`: checks the source here while the worker is busy; its error takes the place of the result."""


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """How to read a stored object; `frames` as in `StoredInstance`."""

    transfer_syntax: str
    dataset_offset: int
    frames: bytes | None
    limits: Limits = DEFAULT

    def open(self, source: Source) -> tuple[Header, FrameIndex]:
        header = read_header(source, self.transfer_syntax, self.dataset_offset, self.limits)
        index = FrameIndex.from_bytes(self.frames) if self.frames else frame_index(header, source)
        if index is None:
            raise NotFound("this instance has no pixel data")
        return header, index


@dataclass(frozen=True, slots=True)
class Render:
    """Frames, counted from 0, as one file of `media_type`, shown as `state` says if there is one."""

    pixels: StoredPixels
    frames: tuple[int, ...]
    parameters: RenderParameters
    media_type: str
    state: StoredState | None = None

    def run(self, source: Source) -> bytes:
        header, index = self.pixels.open(source)
        if self.media_type == PNG_OF_STORED_VALUES:
            return stored_png(header, read_frame(header, index, self.frames[0]))
        pictures = self._pictures(header, index)
        return encode(pictures, self.media_type, self.parameters.quality, frame_milliseconds(header))

    def _pictures(self, header: Header, index: FrameIndex) -> Iterator[Picture]:
        state = self.state.open() if self.state else None
        for number in self.frames:
            frame = read_frame(header, index, number)
            if state is None:
                yield render(header, frame, number, self.parameters)
            else:
                yield presented(state, header, frame, number, self.parameters)


@dataclass(frozen=True, slots=True)
class Decode:
    """One compressed frame; see `decoded`."""

    transfer_syntax: str
    image: ImagePixel
    frame: bytes

    def run(self, source: Source) -> bytes:
        found = decode(self.transfer_syntax, self.image, self.frame)
        return orjson.dumps(asdict(found.image)) + b"\n" + found.data


_NOTHING = BytesSource(b"")


def decoded(workers: Workers, transfer_syntax: str, image: ImagePixel, frame: bytes) -> DecodedFrame:
    """`pacs.pixels.decode.decode` in a worker; patient, as earlier frames may have been sent already."""
    made = workers.run(Decode(transfer_syntax, image, frame), _NOTHING, patient=True)
    described, _, data = made.partition(b"\n")
    return DecodedFrame(ImagePixel(**orjson.loads(described)), data)


@dataclass(frozen=True, slots=True)
class Encode:
    """One uncompressed frame; see `pacs.pixels.transcode`."""

    transfer_syntax: str
    image: ImagePixel
    raw: bytes

    def run(self, source: Source) -> bytes:
        return encode_frame(self.transfer_syntax, self.image, self.raw)


def encoded(workers: Workers, transfer_syntax: str, image: ImagePixel, raw: bytes) -> bytes:
    return workers.run(Encode(transfer_syntax, image, raw), _NOTHING, patient=True)
