"""Internet addresses in the forms that peers, users and sockets write them."""

from __future__ import annotations

import pytest

from pacs.network import ip_address, is_loopback


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "pacs.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"],
)
def test_this_machine_itself(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",
        "::",
        "192.0.2.1",
        "::ffff:192.0.2.1",
        "fe80::1%lo",
        "localhost.example",
        "127.0.0.1.example",
    ],
)
def test_everything_else(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "address"),
    [("fe80::1%eth0", "fe80::1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:DB8::1", "2001:db8::1")],
)
def test_one_form_of_each_address(text: str, address: str) -> None:
    assert str(ip_address(text)) == address


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "[::1]"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        ip_address(text)
