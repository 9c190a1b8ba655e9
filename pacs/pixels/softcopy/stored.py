"""A stored presentation state on its way to a worker process, which alone interprets it."""

from __future__ import annotations

from dataclasses import dataclass

from pacs.dicom.header import Header
from pacs.dicom.limits import Limits
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from pacs.errors import BadInput, NotConvertible

MOST_BYTES = 16 << 20
"""Bytes of a state that is applied: room for overlays of the largest images, and a bound on all else."""


@dataclass(frozen=True, slots=True)
class StoredState:
    """A whole file of at most `MOST_BYTES`, as its sender has checked."""

    data: bytes
    transfer_syntax: str
    dataset_offset: int
    limits: Limits

    def open(self) -> Header:
        try:
            return read_header(BytesSource(self.data), self.transfer_syntax, self.dataset_offset, self.limits)
        except BadInput as fault:
            raise NotConvertible("the presentation state cannot be read") from fault
