from __future__ import annotations

import pytest

from storage.blobs.address import address_at, digest, key

DIGEST = "0123456789abcdef" * 4


def test_the_path_is_made_of_the_digest_alone() -> None:
    assert key(f"blake3:{DIGEST}") == f"blobs/blake3/01/{DIGEST[2:]}"


def test_path_and_address_are_two_ways_to_say_the_same() -> None:
    folder, name = key(f"blake3:{DIGEST}").split("/")[-2:]
    assert address_at(folder, name) == f"blake3:{DIGEST}"


@pytest.mark.parametrize(
    "address",
    [
        "",
        DIGEST,
        f"sha256:{DIGEST}",
        f"blake3:{DIGEST[:-1]}",
        f"blake3:{DIGEST.upper()}",
        f"blake3:{DIGEST}\n",
        "blake3:../../etc",
        f"blake3:{'../' * 21}a",
    ],
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not a blob address"):
        digest(address)


@pytest.mark.parametrize(("folder", "name"), [("01", "x"), ("012", DIGEST[3:]), ("01", DIGEST[2:] + ".copy")])
def test_a_stray_file_has_no_address(folder: str, name: str) -> None:
    assert address_at(folder, name) is None
