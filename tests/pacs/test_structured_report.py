"""Reports as text and as pages."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from pydicom import Dataset

from pacs.dicom.header import Header
from pacs.dicom.part10 import read_part10
from pacs.dicom.reader import read_header
from pacs.dicom.source import BytesSource
from pacs.structured_report import MOST_LEVELS, as_html, as_text, is_report, lines
from tests.corpus import SHARED_DATA, corpus_files, needs_corpus
from tests.dicomweb.retrieving import written

ATTACK = '<script>alert("x")</script><img src=x onerror=y>'


def code(meaning: str, attribute: str = "ConceptNameCodeSequence") -> Dataset:
    concept = Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = "1", "99T", meaning
    item = Dataset()
    setattr(item, attribute, [concept])
    return item


def content(kind: str, name: str, *children: Dataset, **attributes: object) -> Dataset:
    item = code(name)
    item.ValueType = kind
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    if children:
        item.ContentSequence = list(children)
    return item


def report(*children: Dataset, **attributes: object) -> Header:
    ds = content("CONTAINER", "Findings & more", *children, **attributes)
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.3"
    ds.SpecificCharacterSet = "ISO_IR 192"
    data = written(ds, "1.2.840.10008.1.2.1")
    source = BytesSource(data)
    part10 = read_part10(source)
    return read_header(source, part10.transfer_syntax, part10.dataset_offset)


def measured(number: str, unit: str) -> Dataset:
    value = code(unit, "MeasurementUnitsCodeSequence")
    value.MeasurementUnitsCodeSequence[0].CodeValue = unit
    value.NumericValue = number
    return value


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (content("TEXT", "Finding", TextValue="Nodule, 8 mm"), "Finding: Nodule, 8 mm"),
        (content("NUM", "Length", MeasuredValueSequence=[measured("8.5", "mm")]), "Length: 8.5 mm"),
        (content("NUM", "Count", MeasuredValueSequence=[measured("2", "1")]), "Count: 2"),
        (content("PNAME", "Observer", PersonName="Doe^Jane"), "Observer: Doe Jane"),
        (content("DATE", "Day", Date="20240131"), "Day: 20240131"),
        (content("UIDREF", "Series", UID="1.2.3"), "Series: 1.2.3"),
        (content("CONTAINER", "Lungs"), "Lungs"),
        (content("IMAGE", "Key image"), "Key image: image"),
        (content("SCOORD", "Outline", GraphicType="POLYLINE"), "Outline: polyline"),
        (content("NEW KIND", "Future"), "Future"),
    ],
)
def test_each_kind_of_content(item: Dataset, line: str) -> None:
    header = report(item)
    assert is_report(header)
    assert as_text(header).splitlines()[-1].strip() == line


def test_the_tree_keeps_its_order_and_depth() -> None:
    header = report(
        content("CONTAINER", "A", content("TEXT", "A1", TextValue="x"), content("TEXT", "A2", TextValue="y")),
        content("TEXT", "B", TextValue="z"),
        PatientName="Müller^Jürgen",
    )
    found = [(line.level, line.name, line.value) for line in lines(header)]
    assert found == [
        (0, "Findings & more", ""), (1, "A", ""), (2, "A1", "x"), (2, "A2", "y"), (1, "B", "z")
    ]  # fmt: skip
    assert "Patient: Müller Jürgen" in as_text(header)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)
        assert {name for name, _ in attrs} <= {"charset", "lang"}

    def handle_endtag(self, tag: str) -> None:
        while self.open.pop() != tag:
            assert self.open


def well_formed(page: str) -> set[str]:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags.seen


def test_a_strangers_words_are_words() -> None:
    header = report(
        content("TEXT", ATTACK, TextValue=ATTACK), PatientName=ATTACK, StudyDescription=ATTACK[:64]
    )
    page = as_html(header)
    assert not well_formed(page) & {"script", "img"}
    assert page.count("&lt;script&gt;") >= 3


def test_depth_is_bounded() -> None:
    item = content("TEXT", "deepest", TextValue="x")
    for level in range(MOST_LEVELS + 20):
        item = content("CONTAINER", f"level {level}", item)
    assert max(line.level for line in lines(report(item))) == MOST_LEVELS
    well_formed(as_html(report(item)))


@needs_corpus
def test_every_real_report_can_be_read() -> None:
    read = 0
    for path in corpus_files():
        if path.is_relative_to(SHARED_DATA / "sr"):
            source = BytesSource(path.read_bytes())
            part10 = read_part10(source)
            header = read_header(source, part10.transfer_syntax, part10.dataset_offset)
            if is_report(header):
                assert well_formed(as_html(header)) >= {"h1", "dl"}
                assert len(as_text(header)) > 20
                read += 1
    assert read > 10
