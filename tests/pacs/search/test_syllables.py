"""Kana and Hangul in Latin letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.search.syllables import latin_syllables


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("ヤマダ", "yamada"),
        ("タロウ", "tarou"),
        ("シュンスケ", "shunsuke"),
        ("リョウ", "ryou"),
        ("ジュン", "jun"),
        ("フェルナンド", "ferunando"),
        ("ハットリ", "hattori"),
        ("ローラ", "rora"),
        ("ッ", ""),
        ("김", "gim"),
        ("이순신", "isunsin"),
        ("박", "bak"),
        ("최", "choe"),
        ("山田 smith", "山田 smith"),
    ],
)
def test_names(text: str, latin: str) -> None:
    assert latin_syllables(text) == latin


@given(st.text(st.characters(min_codepoint=0x30A1, max_codepoint=0x30F4) | st.just("ー")))
def test_no_kana_is_left(text: str) -> None:
    left = set(latin_syllables(text)) - set("ヮヵヶャュョ")
    assert all(letter.isascii() for letter in left)


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1))
def test_no_hangul_is_left(text: str) -> None:
    assert latin_syllables(text).isascii()
