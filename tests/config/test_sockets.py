"""Listening sockets, and what those accepted from them inherit."""

from __future__ import annotations

import socket
import threading

import pytest

from config import sockets
from config.address import Address


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such option")
def test_a_caller_that_takes_nothing_of_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "STALLED", 1)
    flooded = threading.Event()

    def flood(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(bytes(1 << 16))
        except OSError:
            flooded.set()

    listener = sockets.listen(Address("127.0.0.1", 0), "PACS_HTTP")
    with listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            threading.Thread(target=flood, args=(accepted,), daemon=True).start()
            assert flooded.wait(30)
