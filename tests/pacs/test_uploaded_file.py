"""Archives as they come: what is in them, and what makes them dangerous."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.dicom.limits import Limits
from pacs.dicom.source import BytesSource
from pacs.uploaded_file import READ_ERRORS, UnreadableArchive, UnsafeArchive, UploadedFile, is_instance
from tests.pacs.dicom.files import BUNDLED


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def tarred(members: Mapping[str, bytes], mode: Literal["w:gz", "w"] = "w:gz") -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return written.getvalue()


def uploaded(content: bytes) -> UploadedFile:
    return UploadedFile(BytesSource(content), len(content))


def contents(content: bytes) -> dict[str, bytes]:
    return {member.name: member.open().read() for member in uploaded(content).members()}


FILES = {"a/1.dcm": b"one", "a/b/2": b"two" * 1000, "README": b"", "ümlaut": b"3"}


@pytest.mark.parametrize(
    "content", [zipped(FILES), tarred(FILES), tarred(FILES, "w")], ids=["zip", "tar.gz", "tar"]
)
def test_members_in_their_order(content: bytes) -> None:
    assert uploaded(content).check() == len(FILES)
    assert contents(content) == FILES


def test_what_is_no_archive_is_itself() -> None:
    for content in (b"hello", b"", b"\0" * 128 + b"DICM", b"PK\x03\x04".ljust(128, b"\0") + b"DICM"):
        assert uploaded(content).check() == 1
        assert contents(content) == {"": content}


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "..\\x", "C:/x", "a/..", "\\x"])
def test_names_that_climb_out_are_refused(name: str) -> None:
    for content in (tarred({name: b"x"}), zipped({name: b"x"})):
        with pytest.raises(UnsafeArchive):
            uploaded(content).check()


def test_links_are_refused() -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(UnsafeArchive):
        uploaded(written.getvalue()).check()


def test_bombs_are_refused_without_unpacking_them() -> None:
    zeros = bytes(120 << 20)
    for content in (zipped({"bomb": zeros}), tarred({"bomb": zeros})):
        assert len(content) < 1 << 20
        with pytest.raises(UnsafeArchive):
            uploaded(content).check()


def test_a_size_that_is_a_lie_is_refused_at_once() -> None:
    info = tarfile.TarInfo("huge")
    info.size = 1 << 40
    with pytest.raises(UnsafeArchive):
        uploaded(gzip.compress(info.tobuf())).check()


def _tar_with_header_of(size: int, kind: bytes) -> bytes:
    """A member whose name, or attributes, are `size` bytes long."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, size
    return gzip.compress(info.tobuf() + b"a" * size)


def _zip_with_a_directory_of(size: int) -> bytes:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0)
    return b"PK\x03\x04".ljust(size, b"\0") + end


@pytest.mark.parametrize(
    "make",
    [
        lambda: _tar_with_header_of(64 << 20, tarfile.GNUTYPE_LONGNAME),
        lambda: _tar_with_header_of(64 << 20, tarfile.XHDTYPE),
        lambda: _zip_with_a_directory_of(64 << 20),
    ],
    ids=["long name", "attributes", "central directory"],
)
def test_what_describes_members_is_not_read_into_memory_whatever_its_length(
    make: Callable[[], bytes],
) -> None:
    content = make()
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeArchive):
            uploaded(content).check()
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_long_name_is_a_name() -> None:
    files = {"a" * 5_000: b"x", "b/" * 200 + "c": b"y" * 50_000}
    assert uploaded(tarred(files)).check() == 2
    assert contents(tarred(files)) == files


@given(
    st.sampled_from(
        [
            *(zipped(FILES, method) for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)),
            *(tarred(FILES), tarred(FILES, "w")),
        ]
    ),
    st.data(),
)
def test_a_damaged_archive_is_refused_or_read(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    found = uploaded(bytes(damaged))
    try:
        assert found.check() >= 0
        for member in found.members():
            member.open().read()
    except (UnsafeArchive, UnreadableArchive, *READ_ERRORS):
        pass


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_member_cannot_be_read(method: int) -> None:
    damaged = bytearray(zipped({"1.dcm": bytes(range(256)) * 9}, method))
    damaged[60:70] = bytes(10)
    (member,) = uploaded(bytes(damaged)).members()
    with pytest.raises(READ_ERRORS):
        member.open().read()


def test_instances_are_told_from_noise() -> None:
    limits = Limits()
    assert is_instance((BUNDLED / "test_files" / "CT_small.dcm").read_bytes(), limits)
    for noise in (b"", b"hello", b"\x89PNG", b"\x08\x00", bytes(200)):
        assert not is_instance(noise, limits)
