"""Kana and Hangul in Latin letters (Hepburn; Revised Romanization, letter by letter)."""

from __future__ import annotations

import re
import unicodedata

_ROWS = """ア:a イ:i ウ:u エ:e オ:o カ:ka キ:ki ク:ku ケ:ke コ:ko サ:sa シ:shi ス:su セ:se ソ:so タ:ta チ:chi
ツ:tsu テ:te ト:to ナ:na ニ:ni ヌ:nu ネ:ne ノ:no ハ:ha ヒ:hi フ:fu ヘ:he ホ:ho マ:ma ミ:mi ム:mu メ:me モ:mo
ヤ:ya ユ:yu ヨ:yo ラ:ra リ:ri ル:ru レ:re ロ:ro ワ:wa ヰ:i ヱ:e ヲ:o ン:n ガ:ga ギ:gi グ:gu ゲ:ge ゴ:go ザ:za
ジ:ji ズ:zu ゼ:ze ゾ:zo ダ:da ヂ:ji ヅ:zu デ:de ド:do バ:ba ビ:bi ブ:bu ベ:be ボ:bo パ:pa ピ:pi プ:pu ペ:pe
ポ:po ヴ:vu ァ:a ィ:i ゥ:u ェ:e ォ:o ー:"""
_KANA = dict(pair.split(":") for pair in _ROWS.split())
_SMALL = {"ャ": "a", "ュ": "u", "ョ": "o", "ァ": "a", "ィ": "i", "ェ": "e", "ォ": "o"}
_JOINED = re.compile("([キシチニヒミリギジヂビピフヴ])([ャュョァィェォ])")
_DOUBLED = re.compile("ッ([a-z])")

_INITIAL = (
    *("g", "kk", "n", "d", "tt", "r", "m", "b", "pp", "s", "ss"),
    *("", "j", "jj", "ch", "k", "t", "p", "h"),
)
_VOWEL = (
    *("a", "ae", "ya", "yae", "eo", "e", "yeo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we", "wi"),
    *("yu", "eu", "ui", "i"),
)
_FINAL = (
    *("", "k", "k", "k", "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m", "p", "p", "t", "t"),
    *("ng", "t", "t", "k", "t", "p", "t"),
)
_HANGUL = re.compile("[\uac00-\ud7a3]")
_KATAKANA = re.compile("[\u30a1-\u30fc]")


def latin_syllables(text: str) -> str:
    """`text` is folded: kana are katakana."""
    if _KATAKANA.search(text):
        text = unicodedata.normalize("NFC", text)
        text = _JOINED.sub(lambda pair: _contracted(_KANA[pair[1]], _SMALL[pair[2]], pair[2]), text)
        text = _DOUBLED.sub(r"\1\1", "".join(_KANA.get(letter, letter) for letter in text))
        text = text.replace("ッ", "")
    return _HANGUL.sub(lambda syllable: _hangul(ord(syllable[0]) - 0xAC00), text)


def _contracted(first: str, vowel: str, small: str) -> str:
    """`キャ` kya, `シャ` sha, `フェ` fe."""
    stem = first[:-1]
    glide = "" if stem in ("sh", "ch", "j", "f", "v") or small not in "ャュョ" else "y"
    return stem + glide + vowel


def _hangul(number: int) -> str:
    """Syllables are numbered by initial, vowel and final (Unicode §3.12)."""
    initial, rest = divmod(number, 21 * 28)
    vowel, final = divmod(rest, 28)
    return _INITIAL[initial] + _VOWEL[vowel] + _FINAL[final]
