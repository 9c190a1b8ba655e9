"""A structured report as text or as a page for people to read (PS3.3 §C.17, PS3.18 §8.7.4).

Every value is untrusted input: the page contains escaped text only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from pacs.dicom.header import Header

MOST_ITEMS = 20_000
MOST_LEVELS = 60
_HEADINGS = (
    ("Patient", "PatientName"),
    ("Patient ID", "PatientID"),
    ("Born", "PatientBirthDate"),
    ("Sex", "PatientSex"),
    ("Study", "StudyDescription"),
    ("Accession number", "AccessionNumber"),
    ("Date", "ContentDate"),
    ("Completion", "CompletionFlag"),
    ("Verification", "VerificationFlag"),
)
_PLAIN = {
    "TEXT": "TextValue",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
    "UIDREF": "UID",
    "PNAME": "PersonName",
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1rem}dt{font-weight:600}dd{margin:0}"
    "ul{list-style:none;padding-left:1.2rem}span{white-space:pre-wrap}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One item of the content tree; `level` 0 is the document."""

    level: int
    name: str
    value: str


def is_report(header: Header) -> bool:
    return "ContentSequence" in header and "ValueType" in header


def lines(header: Header) -> Iterator[Line]:
    """The content tree from top to bottom, the document's own title first."""
    waiting: list[tuple[int, Iterator[Header]]] = [(0, iter((header,)))]
    for _ in range(MOST_ITEMS):
        while waiting and (item := next(waiting[-1][1], None)) is None:
            waiting.pop()
        if not waiting or item is None:
            return
        level = waiting[-1][0]
        yield Line(level, _meaning(item, "ConceptNameCodeSequence"), _value(item))
        if level < MOST_LEVELS:
            waiting.append((level + 1, item.each_item("ContentSequence")))


def as_text(header: Header) -> str:
    found = [f"{name}: {text}" for name, text in _heading(header)]
    found.append("")
    for line in lines(header):
        said = ": ".join(part for part in (line.name, line.value) if part)
        found.append("  " * line.level + said.replace("\n", "\n" + "  " * (line.level + 1)))
    return "\n".join(found) + "\n"


def as_html(header: Header) -> str:
    tree = lines(header)
    title = next(tree, Line(0, "", "")).name or "Structured report"
    heading = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in _heading(header))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><dl>{heading}</dl>"
        f"{''.join(_nested(tree))}</body></html>\n"
    )


def _nested(tree: Iterator[Line]) -> Iterator[str]:
    depth = 0
    for line in tree:
        while depth < line.level:
            yield "<ul>"
            depth += 1
        while depth > line.level:
            yield "</ul>"
            depth -= 1
        name = f"<b>{escape(line.name)}</b> " if line.name else ""
        yield f"<li>{name}<span>{escape(line.value)}</span></li>"
    yield "</ul>" * depth


def _heading(header: Header) -> Iterator[tuple[str, str]]:
    for name, attribute in _HEADINGS:
        if text := (header.text(attribute) or "").strip("^ "):
            yield name, text.replace("^", " ") if attribute == "PatientName" else text


def _meaning(item: Header, attribute: str) -> str:
    code = item.item(attribute, 0)
    return ((code.text("CodeMeaning") or code.text("CodeValue") or "") if code else "").strip()


def _value(item: Header) -> str:
    kind = item.trimmed("ValueType")
    if kind in _PLAIN:
        text = item.trimmed(_PLAIN[kind])
        return text.replace("^", " ") if kind == "PNAME" else text
    if kind == "CODE":
        return _meaning(item, "ConceptCodeSequence")
    if kind == "NUM":
        return _measured(item)
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        referred = item.item("ReferencedSOPSequence", 0)
        uid = (referred.text("ReferencedSOPInstanceUID") or "") if referred else ""
        return f"{kind.lower()} {uid}".strip()
    if kind in ("SCOORD", "SCOORD3D", "TCOORD"):
        return (item.text("GraphicType") or item.text("TemporalRangeType") or "").strip().lower()
    return ""


def _measured(item: Header) -> str:
    measured = item.item("MeasuredValueSequence", 0)
    if measured is None:
        return _meaning(item, "NumericValueQualifierCodeSequence")
    number, unit = measured.trimmed("NumericValue"), ""
    if code := measured.item("MeasurementUnitsCodeSequence", 0):
        unit = (code.text("CodeValue") or code.text("CodeMeaning") or "").strip()
    return number if unit in ("", "1") else f"{number} {unit}"
