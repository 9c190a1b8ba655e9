"""Specific Character Set (0008,0005): bytes to text and back (PS3.5 §6.1.2, PS3.3 §C.12.1.1.2).

Decoding never fails: a stored object must stay findable whatever its writer got wrong. Encoding
fails with `UnicodeEncodeError`, so that the caller can change to UTF-8 instead of losing letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

DEFAULT_CODEC = "ascii"
"""ISO IR 6. Bytes above 0x7F are read as Latin-1, the most frequent of wrong encodings."""
UTF_8 = "ISO_IR 192"

_NUMBERED = {
    "6": "ascii", "100": "latin-1", "101": "iso8859_2", "109": "iso8859_3", "110": "iso8859_4",
    "126": "iso8859_7", "127": "iso8859_6", "138": "iso8859_8", "144": "iso8859_5", "148": "iso8859_9",
    "166": "iso8859_11", "203": "iso8859_15", "13": "shift_jis", "87": "iso2022_jp", "159": "iso2022_jp_2",
    "149": "euc_kr", "58": "gb2312", "192": "utf-8",
}  # fmt: skip
"""Number of the registered set → codec. JIS X 0201 (13) is the single-byte part of Shift JIS."""
_NAMED = {"GB18030": "gb18030", "GBK": "gbk", "ISO2022GBK": "gbk", "UTF8": "utf-8"}
_LIKE_A_CODEC = re.compile(
    r"(LATIN|ISO|ASCII|US-ASCII|CP|WINDOWS|KOI8|SHIFT|EUC|GB|BIG5)[\w-]*", re.IGNORECASE
)
_STAND_ALONE = frozenset({"utf-8", "gb18030", "gbk"})
"""Used alone, without code extensions (PS3.3 Table C.12-5)."""
_ONLY_EXTENSIONS = frozenset({"iso2022_jp", "iso2022_jp_2", "euc_kr", "gb2312"})

_G0, _G1 = 0, 1
_ESCAPES: dict[bytes, tuple[int, str]] = {
    b"(B": (_G0, "ascii"),
    b"(J": (_G0, "ascii"),  # ISO IR 14: yen sign and overline where ASCII has \ and ~
    b"$B": (_G0, "iso2022_jp"),
    b"$@": (_G0, "iso2022_jp"),
    b"$(D": (_G0, "iso2022_jp_2"),
    b")I": (_G1, "shift_jis"),
    b"$)C": (_G1, "euc_kr"),
    b"$)A": (_G1, "gb2312"),
    b"-A": (_G1, "latin-1"),
    b"-B": (_G1, "iso8859_2"),
    b"-C": (_G1, "iso8859_3"),
    b"-D": (_G1, "iso8859_4"),
    b"-F": (_G1, "iso8859_7"),
    b"-G": (_G1, "iso8859_6"),
    b"-H": (_G1, "iso8859_8"),
    b"-L": (_G1, "iso8859_5"),
    b"-M": (_G1, "iso8859_9"),
    b"-T": (_G1, "iso8859_11"),
    b"-b": (_G1, "iso8859_15"),
}
"""Escape sequence without ESC → the code element it fills and the codec (PS3.3 Tables C.12-3, -4)."""
_ESCAPE_OF = {codec: escape for escape, (_, codec) in reversed(_ESCAPES.items())}
_SPLIT = re.compile(rb"\x1b(\$[()][A-Z]|\$[@AB]|[()\-.][A-Zb])")
_JIS = {"iso2022_jp": b"\x1b$B", "iso2022_jp_2": b"\x1b$(D"}
_RESETS = re.compile(rb"(?=[\r\n\f\t])")
_RESETS_MULTIPLE = re.compile(rb"(?=[\r\n\f\t\\])")
_RESETS_NAME = re.compile(rb"(?=[\r\n\f\t\\^=])")
_ENDS_NAME = re.compile(r"([\\^=\r\n\f\t])")
_ENDS_MULTIPLE = re.compile(r"([\\\r\n\f\t])")
_ENDS_SINGLE = re.compile(r"([\r\n\f\t])")
_NOT_SPLIT = frozenset({"ST", "LT", "UT"})


@lru_cache(maxsize=1024)
def codecs_of(charsets: tuple[str, ...]) -> tuple[str, ...]:
    """Python codecs for the values of Specific Character Set, the initial one first.

    Frequent misspellings are understood; an unknown term counts as the default.
    """
    found = [_codec(term.strip(" \0")) for term in charsets] or [DEFAULT_CODEC]
    if found[0] in _STAND_ALONE:
        return (found[0],)
    return tuple(codec for codec in found if codec not in _STAND_ALONE)


def _codec(term: str) -> str:
    """`ISO_IR 100`, `ISO 2022 IR 100`, but also `ISO-IR 100`, `ISO2022IR100`, `utf8`, `windows-1252`."""
    spelled = re.sub(r"[\s_-]+", "", term.upper())
    match = re.fullmatch(r"(?:ISO)?(?:2022)?(?:IR)?(\d+)", spelled)
    if known := _NUMBERED.get(match[1]) if match else _NAMED.get(spelled):
        return known
    try:
        return _text_codec(term) if _LIKE_A_CODEC.fullmatch(term) else DEFAULT_CODEC
    except LookupError:
        return DEFAULT_CODEC


def _text_codec(name: str) -> str:
    """The codec for a name that is not a defined term but that Python knows, such as `windows-1252`."""
    "".encode(name)
    return name.lower()


def decode(raw: bytes, charsets: tuple[str, ...], vr: str) -> str:
    """The text of a whole value field, including backslashes between values and padding.

    Split into values afterwards: in the bytes, 0x5C can be half of a multi-byte character.
    """
    codecs = codecs_of(charsets)
    if b"\x1b" not in raw or codecs[0] in _STAND_ALONE:
        return _strict_or_replaced(raw, codecs[0])
    resets = _RESETS if vr in _NOT_SPLIT else _RESETS_NAME if vr == "PN" else _RESETS_MULTIPLE
    return "".join(_extended(raw, codecs[0], resets))


def _strict_or_replaced(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return raw.decode("latin-1") if codec == DEFAULT_CODEC else raw.decode(codec, "replace")


def _extended(raw: bytes, initial: str, resets: re.Pattern[bytes]) -> Iterator[str]:
    """ISO 2022: escapes designate G0 and G1, delimiters reset both to the initial set (§6.1.2.5.3)."""
    initially = [DEFAULT_CODEC, initial]
    elements = list(initially)
    parts = _SPLIT.split(raw)
    for position, part in enumerate(parts):
        if position % 2:
            element, codec = _ESCAPES.get(part, (_G1, initial))
            elements[element] = codec
            continue
        if elements[_G0] in _JIS:
            # Bytes of JIS X 0208 look like delimiters; a writer must return to ASCII before one.
            yield _two_elements(part, elements)
            continue
        first, *others = resets.split(part)
        yield _two_elements(first, elements)
        if others:
            elements = list(initially)
            yield from (_two_elements(other, elements) for other in others)


def _two_elements(part: bytes, elements: list[str]) -> str:
    low, high = elements
    if low not in _JIS:
        return _strict_or_replaced(part, high)
    return "".join(
        _strict_or_replaced(run, high) if run[0] & 0x80 else _strict_or_replaced(_JIS[low] + run, low)
        for run in re.findall(rb"[\x80-\xff]+|[\x00-\x7f]+", part)
    )


def encode(text: str, charsets: tuple[str, ...], vr: str) -> bytes:
    """The unpadded bytes of a value field. `UnicodeEncodeError` when the character sets do not suffice.

    Every component begins and ends in the initial set, as PS3.5 §6.1.2.5.3 requires.
    """
    codecs = codecs_of(charsets)
    if codecs[0] in _ONLY_EXTENSIONS:
        codecs = (DEFAULT_CODEC, *codecs)
    if len(codecs) == 1 or text.isascii():
        return _run_bytes(text, codecs[0])
    ends = _ENDS_SINGLE if vr in _NOT_SPLIT else _ENDS_NAME if vr == "PN" else _ENDS_MULTIPLE
    return b"".join(_component(component, codecs) for component in ends.split(text))


def _component(text: str, codecs: tuple[str, ...]) -> bytes:
    """One component, each run of characters in the first set that contains them."""
    out, current = bytearray(), codecs[0]
    for codec, run in _runs(text, codecs):
        out += _switch(current, codec, codecs[0]) + _run_bytes(run, codec)
        current = codec
    return bytes(out + _switch(current, codecs[0], codecs[0]))


def _runs(text: str, codecs: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(codec, characters), with as few changes of codec as possible: an escape takes three bytes or more."""
    codec, begin = codecs[0], 0
    for position, letter in enumerate(text):
        wanted = next((each for each in (codec, *codecs) if _encodable(letter, each)), None)
        if wanted is None:
            raise UnicodeEncodeError(codecs[0], text, position, position + 1, "in none of the character sets")
        if wanted != codec:
            yield codec, text[begin:position]
            codec, begin = wanted, position
    yield codec, text[begin:]


@lru_cache(maxsize=8192)
def _encodable(letter: str, codec: str) -> bool:
    try:
        return bool(_run_bytes(letter, codec))
    except UnicodeEncodeError:
        return False


def _run_bytes(run: str, codec: str) -> bytes:
    """The bytes of characters of one set, without escape sequences, which the caller adds."""
    encoded = run.encode(codec)
    if codec == "shift_jis" and len(encoded) != len(run):
        raise UnicodeEncodeError(codec, run, 0, len(run), "not in JIS X 0201")
    if codec not in _JIS or not run:
        return encoded
    escape, tail = _JIS[codec], b"\x1b(B"
    if encoded.count(b"\x1b") != 2 or not (encoded.startswith(escape) and encoded.endswith(tail)):
        raise UnicodeEncodeError(codec, run, 0, len(run), "in another set")
    return encoded[len(escape) : -len(tail)]


def _switch(current: str, codec: str, initial: str) -> bytes:
    """The escape sequence from one set to another. ASCII stays in G0 whatever single-byte set is in G1."""
    if codec == current:
        return b""
    back = b"\x1b(J" if initial == "shift_jis" else b"\x1b(B"
    leave = back if current in _JIS else b""
    if codec == DEFAULT_CODEC or (codec == initial and current in _JIS):
        return leave
    return (leave if codec not in _JIS else b"") + b"\x1b" + _ESCAPE_OF[codec]
