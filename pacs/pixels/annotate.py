"""Annotations burned into a rendered picture on request (PS3.18 §8.3.5.1.1)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pacs.dicom.header import Header
from pacs.pixels.parameters import Annotation
from pacs.pixels.picture import Picture
from pacs.search.text import fold, latin

_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_TECHNIQUE = ("Modality", "StudyDate", "SeriesDescription", "SeriesNumber", "InstanceNumber", "KVP")
_LONGEST = 64
_LINES_A_PICTURE = 32
_UNKNOWN = "?"


def annotated(picture: Picture, header: Header, number: int, wanted: frozenset[Annotation]) -> Picture:
    """With text in the upper left corner, white with a black outline to be readable on any image."""
    lines = list(annotation_lines(header, number, wanted))
    image = Image.fromarray(picture.pixels)
    size = max(8, picture.height // _LINES_A_PICTURE)
    white, black = (255, 0) if image.mode == "L" else ((255, 255, 255), (0, 0, 0))
    ImageDraw.Draw(image).multiline_text(
        (size / 2, size / 2),
        "\n".join(lines),
        fill=white,
        font=ImageFont.load_default(size),
        stroke_width=1,
        stroke_fill=black,
    )
    return Picture(np.asarray(image), picture.icc)


def annotation_lines(header: Header, number: int, wanted: frozenset[Annotation]) -> Iterator[str]:
    shown = (_PATIENT if Annotation.PATIENT in wanted else ()) + (
        _TECHNIQUE if Annotation.TECHNIQUE in wanted else ()
    )
    for attribute in shown:
        if text := header.trimmed(attribute):
            yield (_name(text) if attribute == "PatientName" else in_ascii(text))[:_LONGEST]
    if Annotation.TECHNIQUE in wanted and "NumberOfFrames" in header:
        yield f"{number + 1} / {header.text('NumberOfFrames')}"


def _name(text: str) -> str:
    """The component group that is most readable in Latin letters."""
    groups = [in_ascii(group.replace("^", " ")) for group in text.split("=") if group]
    return min(groups, key=lambda group: group.count(_UNKNOWN), default="")


def in_ascii(text: str) -> str:
    """Pillow's own font has ASCII only: accents are dropped, other scripts transliterated where known."""
    return " ".join(map(_word_in_ascii, text.split()))


def _word_in_ascii(word: str) -> str:
    if word.isascii():
        return word
    plain = latin(fold(word)).encode("ascii", "replace").decode()
    return plain.upper() if word.isupper() else plain.title()
