"""Text folding for search: case, accents, widths and kana are folded away; names also by sound.

Law: folding is idempotent and never makes one of DICOM's own delimiters or wildcards (`\\ ^ = * ?`)
out of another character, so that a folded pattern keeps its meaning.
"""

from __future__ import annotations

import re
import unicodedata

from pacs.search.syllables import latin_syllables

_SPECIAL = frozenset("\\^=*?")
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")

_LETTERS = str.maketrans(
    {
        "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ħ": "h", "ı": "i",
        "ŋ": "ng", "ŧ": "t", "ĸ": "k", "ё": "е", "ς": "σ", "’": "'", "‘": "'", "‐": "-", "–": "-",
    }
)  # fmt: skip
_HIRAGANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}

_CYRILLIC = """а:a б:b в:v г:g д:d е:e ж:zh з:z и:i й:y к:k л:l м:m н:n о:o п:p р:r с:s т:t у:u ф:f х:kh
ц:ts ч:ch ш:sh щ:shch ъ: ы:y ь: э:e ю:yu я:ya і:i ї:yi є:ye ґ:g ў:u ј:j љ:lj њ:nj ћ:c ђ:dj џ:dz"""
_GREEK = """α:a β:v γ:g δ:d ε:e ζ:z η:i θ:th ι:i κ:k λ:l μ:m ν:n ξ:x ο:o π:p ρ:r σ:s τ:t υ:y φ:f χ:ch ψ:ps
ω:o"""
_LATIN = str.maketrans(dict(pair.split(":") for pair in f"{_CYRILLIC} {_GREEK}".split()))
_GREEK_DIGRAPHS = (("ου", "u"), ("αυ", "av"), ("ευ", "ev"), ("μπ", "b"), ("ντ", "nt"), ("γγ", "ng"))


def fold(text: str) -> str:
    """The form in which texts are compared."""
    if text.isascii():
        return _SPACES.sub(" ", text.lower()).strip()
    letters = "".join(map(_decompose, text.casefold())).casefold().translate(_LETTERS)
    # Combining classes from 10 on are accents; lower ones, such as kana's voicing marks, make another letter.
    letters = "".join(c for c in letters if unicodedata.combining(c) < 10)
    folded = unicodedata.normalize("NFC", letters).translate(_HIRAGANA)
    return _SPACES.sub(" ", folded).strip()


def _decompose(character: str) -> str:
    """NFKD, unless it would yield a delimiter (`≠` is `=` and a stroke, `＊` a wide `*`)."""
    if character.isascii():
        return character
    plain = unicodedata.normalize("NFKD", character)
    if _SPECIAL.isdisjoint(plain):
        return plain
    return character


def latin(folded: str) -> str:
    """Greek, Cyrillic, kana and Hangul in Latin letters; other scripts as they are."""
    if folded.isascii():
        return folded
    folded = latin_syllables(folded)
    for pair, letters in _GREEK_DIGRAPHS:
        folded = folded.replace(pair, letters)
    return folded.translate(_LATIN)


_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> tuple[str, ...]:
    """The words of a name, folded and transliterated where the script is known, each once."""
    return tuple(dict.fromkeys(_WORD.findall(latin(fold(text)))))


_SOUNDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"[^a-z]", ""),
        (r"^(wr)", "r"),
        (r"^(kn|gn|pn)", "n"),
        (r"shch|tsch|sch|tch|sh|ch(?=[eiy])|cz|sz|zh|dz|ts|tz|c(?=[eiy])|z", "s"),
        (r"ph|pf|v|w", "f"),
        (r"th|dt|d", "t"),
        (r"x", "ks"),
        (r"gh(?=t)", ""),
        (r"ck|kh|ch|c|q|g", "k"),
        (r"b", "p"),
        (r"(?<=.)[hjy]", ""),
        (r"^[aeiouyj]+", "a"),
        (r"(?<=.)[aeiou]+", ""),
        (r"(.)\1+", r"\1"),
    )
)


def sound(word: str) -> str:
    """How a folded Latin word sounds, roughly, across European spellings: `meyer`, `maier` → `mr`.

    Empty when the word has no Latin letter. A coarse consonant code in the manner of Cologne
    phonetics; fuzzy matching may find too much, never too little of what it promises.
    """
    for pattern, replacement in _SOUNDS:
        word = pattern.sub(replacement, word)
    return word
