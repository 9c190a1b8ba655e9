from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes

from pacs.dicom.charset import codecs_of, decode, encode

# PS3.5 Annexes H to K, and their like for the other sets: bytes as printed there.
STANDARD = [
    (
        ("", "ISO 2022 IR 87"),
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        ("ISO 2022 IR 13", "ISO 2022 IR 87"),
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    (
        ("", "ISO 2022 IR 149"),
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    (
        ("", "ISO 2022 IR 58"),
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
        "Zhang^XiaoDong=张^小东",
    ),
    (("ISO_IR 100",), b"\xc4neas^R\xfcdiger", "Äneas^Rüdiger"),
    (("ISO_IR 127",), "قباني^لنزار".encode("iso8859_6"), "قباني^لنزار"),
    (("ISO_IR 126",), "Διονυσιος".encode("iso8859_7"), "Διονυσιος"),
    (("ISO_IR 138",), "שרון^דבורה".encode("iso8859_8"), "שרון^דבורה"),
    (("ISO_IR 144",), "Люкceмбypг".encode("iso8859_5"), "Люкceмбypг"),
    (("ISO_IR 166",), "นามสกุล^ชื่อ".encode("iso8859_11"), "นามสกุล^ชื่อ"),
    (("ISO_IR 13",), b"\xd4\xcf\xc0\xde", "ﾔﾏﾀﾞ"),
    (("ISO_IR 192",), "Wang^XiaoDong=王^小東".encode(), "Wang^XiaoDong=王^小東"),
    (("GB18030",), "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    (("GBK",), "王^小东".encode("gbk"), "王^小东"),
    (("ISO 2022 IR 100", "ISO 2022 IR 126"), b"\xc9a^\x1b-F\xc4\xe9\xef\xed\x1b-A", "Éa^Διον"),
    (("ISO 2022 IR 6", "ISO 2022 IR 87", "ISO 2022 IR 159"), b"\x1b$(D0!\x1b$B;3\x1b(B", "丂山"),
]


@pytest.mark.parametrize(("charsets", "raw", "text"), STANDARD)
def test_the_standards_examples_both_ways(charsets: tuple[str, ...], raw: bytes, text: str) -> None:
    assert decode(raw, charsets, "PN") == text
    encoded = encode(text, charsets, "PN")
    assert decode(encoded, charsets, "PN") == text
    if "ISO 2022 IR 58" not in charsets:  # pydicom leaves its escape sequences in the text
        assert decode_bytes(raw, convert_encodings(list(charsets)), {0x5E}) == text
        assert decode_bytes(encoded, convert_encodings(list(charsets)), {0x5E}) == text


@pytest.mark.parametrize(
    ("spelled", "codec"),
    [
        ("ISO-IR 100", "latin-1"),
        ("ISO_IR_100", "latin-1"),
        ("ISO IR 100", "latin-1"),
        ("iso_ir 100", "latin-1"),
        ("ISO_IR 100\0", "latin-1"),
        ("ISO 2022-IR 87", "iso2022_jp"),
        ("ISO2022IR149", "euc_kr"),
        ("ISO 2022 58", "gb2312"),
        ("ISO 2022 GBK", "gbk"),
        ("UTF8", "utf-8"),
        ("utf-8", "utf-8"),
        (" latin1", "latin1"),
        ("ISO8859-15", "iso8859-15"),
        ("windows-1252", "windows-1252"),
        ("", "ascii"),
        ("rot13", "ascii"),
        ("ISO_IR 999", "ascii"),
        ("CP\0WITH NUL", "ascii"),
    ],
)
def test_spellings(spelled: str, codec: str) -> None:
    assert codecs_of((spelled,)) == (codec,)


def test_stand_alone_sets_have_no_extensions() -> None:
    assert codecs_of(("ISO_IR 192", "ISO 2022 IR 87")) == ("utf-8",)
    assert codecs_of(("", "ISO_IR 192", "ISO 2022 IR 87")) == ("ascii", "iso2022_jp")


@pytest.mark.parametrize(
    ("vr", "delimiter", "resets"),
    [
        ("PN", "^", True), ("PN", "=", True), ("PN", "\\", True), ("LO", "\\", True), ("LT", "\n", True),
        ("LO", "^", False), ("LT", "\\", False), ("ST", "=", False),
    ],
)  # fmt: skip
def test_delimiters_set_back_to_the_initial_set(vr: str, delimiter: str, resets: bool) -> None:
    raw = b"\x1b-F\xe1" + delimiter.encode() + b"\xe1"
    after = "á" if resets else "α"
    assert decode(raw, ("ISO 2022 IR 100", "ISO 2022 IR 126"), vr) == "α" + delimiter + after


@pytest.mark.parametrize("charsets", [("GBK",), ("GB18030",)])
def test_a_backslash_inside_a_character_is_none(charsets: tuple[str, ...]) -> None:
    assert decode(b"\x81\\\\\x81\\", charsets, "LO") == "乗\\乗".replace("乗", b"\x81\\".decode("gbk"))


def test_delimiters_inside_jis_are_letters() -> None:
    """Bytes of JIS X 0208 are in the range of `^`, `=` and backslash."""
    text = "\u7560\u8c37"  # 畠谷
    charsets = ("", "ISO 2022 IR 87")
    assert decode(encode(text, charsets, "PN"), charsets, "PN") == text


def test_the_first_set_is_left_only_for_what_it_lacks() -> None:
    assert encode("Smith^Bj\u00f6rn", ("", "ISO 2022 IR 100"), "PN") == b"Smith^Bj\x1b-A\xf6rn"
    assert encode("Bj\u00f6rn", ("ISO 2022 IR 100", "ISO 2022 IR 101"), "LO") == b"Bj\xf6rn"


def test_escapes_count_even_where_they_are_not_declared() -> None:
    assert decode(b"\x1b$B;3ED\x1b(B", (), "PN") == "山田"


@pytest.mark.parametrize(
    "charsets", [(), ("ISO_IR 6",), ("ISO_IR 100",), ("", "ISO 2022 IR 87"), ("ISO_IR 13",)]
)
def test_what_does_not_fit_is_not_written(charsets: tuple[str, ...]) -> None:
    with pytest.raises(UnicodeEncodeError):
        encode("Łódź 😀", charsets, "LO")


def test_ascii_is_what_no_character_set_means() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode("é", (), "LO")
    assert decode(b"\xe9", (), "LO") == "é"


CHARSETS = st.lists(
    st.sampled_from(
        ["", "ISO_IR 6", "ISO_IR 13", "ISO_IR 100", "ISO 2022 IR 87", "ISO 2022 IR 149", "ISO 2022 IR 58",
         "ISO 2022 IR 144", "ISO 2022 IR 126", "ISO_IR 192", "GB18030", "GBK", "ISO 2022 IR 159", "nonsense"]
    ),
    max_size=4,
).map(tuple)  # fmt: skip
VRS = st.sampled_from(["PN", "LO", "SH", "UC", "ST", "LT", "UT"])


@given(st.binary(max_size=80), CHARSETS, VRS)
def test_decoding_never_fails(raw: bytes, charsets: tuple[str, ...], vr: str) -> None:
    decode(raw, charsets, vr)


@given(
    st.lists(
        st.sampled_from([b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b-F", b"^", b"\\", b"\x1b", b";3", b"\xe1"])
    )
)
def test_decoding_any_escapes_never_fails(parts: list[bytes]) -> None:
    decode(b"".join(parts), ("ISO 2022 IR 100", "ISO 2022 IR 87"), "PN")


LETTERS = st.text("aé^=\\ αЖ山田홍张ﾔ丂", max_size=20)


@given(LETTERS, CHARSETS, VRS)
def test_what_can_be_written_is_read_back(text: str, charsets: tuple[str, ...], vr: str) -> None:
    try:
        raw = encode(text, charsets, vr)
    except UnicodeEncodeError:
        return
    assert decode(raw, charsets, vr) == text
