"""The least that a Python program may do before it answers a C-STORE: nothing is read, checked or hashed.

    python -m bench.least FOLDER PORT

A file, waited for; its name, waited for; one row of one table, committed, which senders that come together
share; the answer. An archive that keeps each object as a file and answers when it is safe does all of this,
and everything else besides: no such archive in Python is faster on this machine.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import threading
from pathlib import Path

from dimse.associate import AssociateRequest
from dimse.command import Command, decode, encode, respond_to
from dimse.models import OPTIONS
from dimse.negotiation import Capabilities, Negotiated, negotiate
from dimse.pdu import PduReader, PduType, Pdv, fragments, frame, pdvs
from dimse.settings import DimseSettings
from dimse.sop_classes import STORAGE, VERIFICATION
from dimse.upper_layer import Role, UpperLayer

MAX_LENGTH = DimseSettings().max_length
SUCCESS = 0x0000


class Rows:
    """Whoever comes first commits for all that wait."""

    def __init__(self, path: Path) -> None:
        self._waiting: list[tuple[str]] = []
        self._committed = set[str]()
        self._leading = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for setting in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE IF NOT EXISTS objects (uid TEXT)")

    def add(self, uid: str) -> None:
        self._waiting.append((uid,))
        with self._leading:
            if uid in self._committed:
                self._committed.remove(uid)
                return
            together, self._waiting = self._waiting, []
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT INTO objects VALUES (?)", together)
            self._database.execute("COMMIT")
            self._committed.update(each for (each,) in together if each != uid)


class Least:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = os.open(folder, os.O_RDONLY)
        self._rows = Rows(folder / "rows.sqlite")
        self._capabilities = Capabilities(
            sop_classes=STORAGE | {VERIFICATION},
            unknown_storage_classes=False,
            window=1,
            max_length=MAX_LENGTH,
            options=OPTIONS,
        )

    def serve(self, peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upper_layer = UpperLayer(Role.ACCEPTOR, MAX_LENGTH)
        while (request := upper_layer.next_event()) is None:
            upper_layer.reader.received(peer.recv_into(upper_layer.reader.room()))
        assert isinstance(request, AssociateRequest)
        negotiated = negotiate(request, self._capabilities)
        assert isinstance(negotiated, Negotiated)
        peer.sendall(upper_layer.accept(negotiated.accept))
        self._store(peer, upper_layer.reader)

    def _store(self, peer: socket.socket, reader: PduReader) -> None:
        command, data = b"", list[bytes]()
        while count := peer.recv_into(reader.room()):
            reader.received(count)
            while pdu := reader.next():
                if pdu[0] != PduType.P_DATA_TF:
                    peer.sendall(frame(PduType.A_RELEASE_RP))
                    return
                for pdv in pdvs(pdu[1]):
                    if pdv.is_command:
                        command += pdv.data
                    else:
                        data.append(bytes(pdv.data))
                    if pdv.is_last and self._answered(peer, pdv, decode(command), data):
                        command, data = b"", []

    def _answered(self, peer: socket.socket, last: Pdv, request: Command, data: list[bytes]) -> bool:
        if last.is_command and request.has_data_set:
            return False
        if data:
            self._keep(str(request["AffectedSOPInstanceUID"]), data)
        response = encode(respond_to(request, SUCCESS))
        pieces = fragments(last.context_id, True, (response,), MAX_LENGTH)
        peer.sendall(b"".join(part for piece in pieces for part in piece))
        return True

    def _keep(self, uid: str, data: list[bytes]) -> None:
        file = os.open(self._folder / uid, os.O_WRONLY | os.O_CREAT)
        os.writev(file, data)
        os.fdatasync(file)
        os.close(file)
        os.fsync(self._name)
        self._rows.add(uid)


def main(folder: str, port: str) -> None:
    least = Least(Path(folder))
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=least.serve, args=(peer,), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
