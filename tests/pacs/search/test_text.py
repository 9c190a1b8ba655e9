"""What is alike to a search, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.search.text import fold, latin, sound, words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Müller", "muller"),
        ("MÜLLER", "muller"),
        ("Mu\u0308ller", "muller"),
        ("Straße", "strasse"),
        ("Ærø", "aero"),
        ("Łódź", "lodz"),
        ("Þórður", "thordur"),
        ("ΝΙΚΟΣ", "νικοσ"),
        ("Νίκος", "νικοσ"),
        ("Иванов", "иванов"),
        ("ИВАНОВ", "иванов"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("やまだ", "ヤマダ"),
        ("ヤマタ", "ヤマタ"),
        ("ＡＢＣ１２", "abc12"),
        ("김희중", "김희중"),
        ("山田", "山田"),
        ("  two\t\n words ", "two words"),
        ("", ""),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(exclude_characters="\\^=*?")))
def test_folding_makes_no_delimiter_and_no_wildcard(text: str) -> None:
    assert not set("\\^=*?") & set(fold(text))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Иванов^Иван", ("ivanov", "ivan")),
        ("Щербаков", ("shcherbakov",)),
        ("Παπαδόπουλος", ("papadopulos",)),
        ("Smith^John^^Dr.", ("smith", "john", "dr")),
        ("O'Neil-Smith", ("o", "neil", "smith")),
        ("山田^太郎", ("山田", "太郎")),
        ("やまだ^たろう", ("yamada", "tarou")),
        ("キョウコ^はっとり", ("kyouko", "hattori")),
        ("홍^길동", ("hong", "gildong")),
        ("^^", ()),
    ],
)
def test_words(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected


@pytest.mark.parametrize(
    "alike",
    [
        "Meyer Meier Maier Mayer Mayr",
        "Schmidt Schmitt Schmid Smith",
        "Müller Mueller Muller",
        "Иванов Ivanov Ivanoff Iwanow",
        "Чехов Chekhov Tschechow",
        "Παπαδόπουλος Papadopoulos",
        "Philip Filip Phillip",
        "Catherine Katherine Kathryn",
        "Johnson Jonson Johnsson",
        "Clark Clarke Klark",
    ],
)
def test_what_sounds_alike(alike: str) -> None:
    assert len({sound(word) for name in alike.split() for word in words(name)}) == 1


@pytest.mark.parametrize("pair", ["Smith Jones", "Rossi Bianchi", "Meyer Weber"])
def test_what_does_not(pair: str) -> None:
    one, other = (sound(word) for word in words(pair))
    assert one != other


@given(st.text())
def test_a_sound_is_plain_letters(text: str) -> None:
    for word in words(text):
        assert sound(word) == "" or (sound(word).isascii() and sound(word).isalpha())


def test_other_scripts_stay_as_they_are() -> None:
    assert latin("山田") == "山田"
