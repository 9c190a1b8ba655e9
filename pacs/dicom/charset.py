"""Specific Character Set (0008,0005): bytes to text and back (PS3.5 §6.1.2, PS3.3 §C.12.1.1.2).

Decoding never fails: a stored object must stay findable whatever its writer got wrong. Encoding
fails with `UnicodeEncodeError`, so that the caller can change to UTF-8 instead of losing letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

DEFAULT_CODEC = "latin-1"
"""ISO IR 6 is seven bits; what senders put above is Latin-1 more often than anything else."""
UTF_8 = "ISO_IR 192"

_SINGLE_BYTE = {
    "6": DEFAULT_CODEC, "100": "latin-1", "101": "iso8859_2", "109": "iso8859_3", "110": "iso8859_4",
    "126": "iso8859_7", "127": "iso8859_6", "138": "iso8859_8", "144": "iso8859_5", "148": "iso8859_9",
    "166": "iso8859_11", "203": "iso8859_15", "13": "shift_jis",
}  # fmt: skip
"""Number of the registered set → codec. JIS X 0201 is the single-byte part of Shift JIS."""
_EXTENSIONS = {"87": "iso2022_jp", "159": "iso2022_jp_2", "149": "euc_kr", "58": "gb2312"}
_STAND_ALONE = {"ISO_IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gbk"}
"""No code extensions beside these (PS3.3 Table C.12-5)."""
_BY_PYTHON_NAME = re.compile(r"(UTF|LATIN|ISO|ASCII|CP|WINDOWS|KOI8|SHIFT|EUC|GB|BIG5)[\w-]*$", re.IGNORECASE)

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
_ESCAPE_OF = {codec: (element, escape) for escape, (element, codec) in reversed(_ESCAPES.items())}
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
    """Python codecs of the values of Specific Character Set, the initial one first.

    Wrong spellings seen in the wild are understood; what is not known counts as the default.
    """
    found = [_codec(term) for term in charsets] or [DEFAULT_CODEC]
    alone = [codec in _STAND_ALONE.values() for codec in found]
    if alone[0]:
        return (found[0],)
    return tuple(codec for codec, other in zip(found, alone, strict=True) if not other)


def _codec(term: str) -> str:
    spelled = re.sub(r"[\s_-]+", "", term.strip(" \0").upper())
    if match := re.fullmatch(r"(?:ISO)?(2022)?(?:IR)?(\d+)", spelled):
        number = match[2]
        if number == "192":
            return "utf-8"
        return _SINGLE_BYTE.get(number) or _EXTENSIONS.get(number) or _named(term)
    if spelled in {"GBK", "ISO2022GBK"}:
        return "gbk"
    return _STAND_ALONE.get(spelled) or _named(term)


def _named(term: str) -> str:
    """A codec that a writer named as programmers do: `UTF8`, `latin1`, `windows-1252`."""
    name = term.strip(" \0")
    try:
        if name and _BY_PYTHON_NAME.match(name):
            b"".decode(name)
            return {"utf_8": "utf-8", "utf8": "utf-8"}.get(name.lower(), name.lower())
    except (LookupError, UnicodeError, ValueError):
        pass
    return DEFAULT_CODEC


def decode(raw: bytes, charsets: tuple[str, ...], vr: str) -> str:
    """The text of a whole value field, backslashes between values and padding included.

    A backslash byte inside a multi-byte character is not one in the result, so split afterwards.
    """
    codecs = codecs_of(charsets)
    if b"\x1b" not in raw or codecs[0] in _STAND_ALONE.values():
        return _strict_or_replaced(raw, codecs[0])
    resets = _RESETS if vr in _NOT_SPLIT else _RESETS_NAME if vr == "PN" else _RESETS_MULTIPLE
    return "".join(_extended(raw, codecs[0], resets))


def _strict_or_replaced(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return raw.decode(codec, "replace")


def _extended(raw: bytes, initial: str, resets: re.Pattern[bytes]) -> Iterator[str]:
    """ISO 2022: escapes fill G0 and G1, delimiters set both back to the initial set (§6.1.2.5.3)."""
    start = _ESCAPE_OF.get(initial, (_G1, b""))
    initially = ["ascii", initial] if start[0] == _G1 else [initial, DEFAULT_CODEC]
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
    """A value field's bytes, unpadded. `UnicodeEncodeError` when the character sets do not suffice.

    Every component begins and ends in the initial set, as PS3.5 §6.1.2.5.3 demands.
    """
    codecs = codecs_of(charsets)
    if len(codecs) == 1:
        return _single(text, codecs[0])
    ends = _ENDS_SINGLE if vr in _NOT_SPLIT else _ENDS_NAME if vr == "PN" else _ENDS_MULTIPLE
    return b"".join(_component(component, codecs) for component in ends.split(text))


def _single(text: str, codec: str) -> bytes:
    if codec == "shift_jis":
        return _katakana(text)
    if codec in _JIS:
        raise UnicodeEncodeError(codec, text, 0, len(text), "needs code extensions")
    return text.encode("ascii" if codec == DEFAULT_CODEC and not text.isascii() else codec)


def _katakana(text: str) -> bytes:
    """JIS X 0201: what takes one byte in Shift JIS."""
    encoded = text.encode("shift_jis")
    if len(encoded) != len(text):
        raise UnicodeEncodeError("shift_jis", text, 0, len(text), "not in JIS X 0201")
    return encoded


def _component(text: str, codecs: Sequence[str]) -> bytes:
    """One component, each run of letters in the first set that has them."""
    out = bytearray()
    current = codecs[0]
    for codec, run in _runs(text, codecs):
        if codec != current:
            out += _switch(current, codec, codecs[0])
            current = codec
        encoded = _run_bytes(run, codec)
        out += encoded
    if current != codecs[0]:
        out += _switch(current, codecs[0], codecs[0])
    return bytes(out)


def _runs(text: str, codecs: Sequence[str]) -> Iterator[tuple[str, str]]:
    codec, run = codecs[0], ""
    for letter in text:
        wanted = next((c for c in (codec, *codecs) if _encodable(letter, c)), None)
        if wanted is None:
            raise UnicodeEncodeError(codecs[0], text, 0, len(text), "not in the specific character sets")
        if wanted != codec:
            if run:
                yield codec, run
            codec, run = wanted, ""
        run += letter
    if run:
        yield codec, run


@lru_cache(maxsize=8192)
def _encodable(letter: str, codec: str) -> bool:
    try:
        return bool(_run_bytes(letter, codec))
    except UnicodeEncodeError:
        return False


def _run_bytes(run: str, codec: str) -> bytes:
    if codec in _JIS:
        if run.isascii():
            raise UnicodeEncodeError(codec, run, 0, len(run), "ASCII is another set")
        encoded = run.encode(codec)
        if not encoded.startswith(_JIS[codec]) or encoded.count(b"\x1b") != 2:
            raise UnicodeEncodeError(codec, run, 0, len(run), "another set")
        return encoded[len(_JIS[codec]) : -3]
    return _single(run, codec)


def _switch(current: str, codec: str, initial: str) -> bytes:
    """The escapes from one set to another; leaving a set in G0 means going back to ASCII there."""
    leave = b"\x1b(B" if current in _JIS else b""
    if codec in (initial, "latin-1") and codec == DEFAULT_CODEC == initial:
        return leave
    if codec == initial and current in _JIS:
        return leave
    return leave + b"\x1b" + _ESCAPE_OF[codec][1]
