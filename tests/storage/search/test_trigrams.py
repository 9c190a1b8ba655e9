"""What is indexed by letters, in the code and in the database; and what is asked of that index."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from pacs.attributes import BY_KEYWORD
from pacs.search.query import Test
from pacs.search.values import parse_value
from storage.database import Database
from storage.search.trigrams import TRIGRAMS, match_expression, pair


def test_code_and_schema_agree(database: Database) -> None:
    for level, attributes in TRIGRAMS.items():
        table = {"PATIENT": "patients", "STUDY": "studies"}[level]
        with database.read() as connection:
            if database.dialect == "sqlite":
                columns = connection.execute(text(f"SELECT name FROM pragma_table_info('{table}_trigrams')"))
                found = set(columns.scalars())
            else:
                named = text("SELECT indexname FROM pg_indexes WHERE indexname LIKE :pattern")
                indexes = connection.execute(named, {"pattern": f"ix_{table}_%_trigrams"}).scalars()
                found = {name.removeprefix(f"ix_{table}_").removesuffix("_trigrams") for name in indexes}
        assert found == {attribute.key_column for attribute in attributes}


def parsed(keyword: str, value: str, fuzzy: bool = False) -> Test:
    test = parse_value(BY_KEYWORD[keyword], value, fuzzy=fuzzy)
    assert test is not None
    return test


@pytest.mark.parametrize(
    ("keyword", "value", "expression"),
    [
        ("PatientName", "*ros*", 'patient_name_key : (("ros"))'),
        ("PatientName", "Ro*", 'patient_name_key : (("=ro"))'),
        ("PatientName", "*ro*si?b*", None),
        ("PatientName", "smith^j*n", 'patient_name_key : (("=smith^j"))'),
        ("PatientID", '*a"b*', 'patient_id : (("a""b"))'),
        ("PatientID", "12*", 'patient_id : (("\\12"))'),
        ("ModalitiesInStudy", "CT\\MR*", 'modalities_in_study : (("\\CT\\") OR ("\\MR"))'),
        ("ModalitiesInStudy", "CT\\M*", None),
    ],
)
def test_expressions(keyword: str, value: str, expression: str | None) -> None:
    assert match_expression(BY_KEYWORD[keyword], parsed(keyword, value)) == expression


def test_fuzzy_asks_for_the_two_longest_words_each_by_letters_or_by_sound() -> None:
    query = parsed("PatientName", "Jo*^Meyer*^B", fuzzy=True)
    expression = match_expression(BY_KEYWORD["PatientName"], query)
    heard = '("~jo" AND "~meyer") OR ("~jo" AND "/mr/") OR ("/a/" AND "~meyer") OR ("/a/" AND "/mr/")'
    assert expression == f'patient_name_key : (("=jo" AND "^meyer" AND "^b=") OR {heard})'


def test_two_letters_are_a_pair() -> None:
    name = BY_KEYWORD["PatientName"]
    assert pair(name, parsed("PatientName", "*qz*")) == "qz"
    assert pair(name, parsed("PatientName", "*q*")) is None
    assert match_expression(name, parsed("PatientName", "*qz*")) is None
    assert pair(BY_KEYWORD["ModalitiesInStudy"], parsed("ModalitiesInStudy", "*T")) is None
    assert pair(BY_KEYWORD["ModalitiesInStudy"], parsed("ModalitiesInStudy", "C*T")) == "\\c"
