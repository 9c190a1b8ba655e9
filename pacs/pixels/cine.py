"""The frame rate of a multi-frame data set (PS3.3 §C.7.6.5)."""

from __future__ import annotations

from pacs.dicom.header import Header

_LONGEST = 10_000


def frame_milliseconds(header: Header) -> int:
    """Milliseconds from one frame to the next; 0 when the data set does not say."""
    for rate in ("RecommendedDisplayFrameRate", "CineRate"):
        if (frames := header.number(rate)) and frames > 0:
            return _bounded(1000 / frames)
    if (time := header.number("FrameTime")) and time > 0:
        return _bounded(time)
    vector = [v for v in header.values("FrameTimeVector")[1:] if isinstance(v, int | float) and v > 0]
    return _bounded(sum(vector) / len(vector)) if vector else 0


def _bounded(milliseconds: float) -> int:
    return min(max(round(milliseconds), 1), _LONGEST)
