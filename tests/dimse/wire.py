"""A peer that speaks to a socket PDU by PDU, and may do what no well-behaved one does."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from dimse.associate import AssociateAccept, AssociateRequest, ProposedContext, UserInformation
from dimse.associate_codec import decode_accept, encode_request
from dimse.command import Command, CommandField, decode, encode
from dimse.pdu import PduType, fragments, frame, pdvs
from tests.dimse.world import CT_IMAGE_STORAGE, EXPLICIT

VERIFICATION = "1.2.840.10008.1.1"
CONTEXTS = (
    ProposedContext(1, VERIFICATION, (EXPLICIT,)),
    ProposedContext(3, CT_IMAGE_STORAGE, (EXPLICIT,)),
)


def request(
    contexts: Iterable[ProposedContext] = CONTEXTS, called: str = "PACS", calling: str = "WIRE", **user: Any
) -> AssociateRequest:
    information = UserInformation(max_length=1 << 16, implementation_class_uid="1.2.3", **user)
    return AssociateRequest(called, calling, tuple(contexts), information)


class Wire:
    def __init__(self, port: int, timeout: float = 60.0, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", self._exactly(6))
        return kind, self._exactly(length)

    def ended(self) -> bool:
        """Whether the other side has closed, saying nothing more."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def aborted(self) -> tuple[int, int]:
        """Source and reason of the A-ABORT that must come now."""
        kind, body = self.pdu()
        assert kind == PduType.A_ABORT
        return body[2], body[3]

    def associate(self, wanted: AssociateRequest | None = None) -> AssociateAccept:
        self.send(frame(PduType.A_ASSOCIATE_RQ, encode_request(wanted or request())))
        kind, body = self.pdu()
        assert kind == PduType.A_ASSOCIATE_AC, (kind, body)
        return decode_accept(body)

    def rejected(self, wanted: AssociateRequest, *more: bytes) -> tuple[int, int, int]:
        """Result, source and reason of the A-ASSOCIATE-RJ that must come, whole and in order, although we
        have sent `more`."""
        self.send(frame(PduType.A_ASSOCIATE_RQ, encode_request(wanted)), *more)
        kind, body = self.pdu()
        assert kind == PduType.A_ASSOCIATE_RJ and self.socket.recv(1) == b""
        return body[1], body[2], body[3]

    def ask(
        self, context_id: int, command: Command, data_set: bytes | None = None, max_length: int = 1 << 14
    ) -> None:
        self.send(*self.encoded(context_id, command, data_set, max_length))

    @staticmethod
    def encoded(
        context_id: int, command: Command, data_set: bytes | None = None, max_length: int = 1 << 14
    ) -> list[bytes]:
        """The message's PDUs."""
        encoded = encode(Command(command), data_set is not None)
        parts = list(fragments(context_id, True, (encoded,), max_length))
        if data_set is not None:
            parts += fragments(context_id, False, (data_set,), max_length)
        return [head + bytes(body) for head, body in parts]

    def response(self) -> Command:
        """The next command; those in use here come in one fragment."""
        kind, body = self.pdu()
        assert kind == PduType.P_DATA_TF, (kind, body)
        [pdv] = pdvs(memoryview(body))
        assert pdv.is_command and pdv.is_last
        return decode(bytes(pdv.data))

    def echo(self, number: int = 1) -> int:
        self.ask(1, echo_command(number))
        return self.response().status

    def release(self) -> None:
        self.send(frame(PduType.A_RELEASE_RQ))
        assert self.pdu()[0] == PduType.A_RELEASE_RP

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()


def echo_command(number: int = 1) -> Command:
    return Command(CommandField=CommandField.C_ECHO_RQ, MessageID=number, AffectedSOPClassUID=VERIFICATION)


def store_command(number: int = 1, uid: str = "1.2.3.4") -> Command:
    return Command(
        CommandField=CommandField.C_STORE_RQ,
        MessageID=number,
        Priority=0,
        AffectedSOPClassUID=CT_IMAGE_STORAGE,
        AffectedSOPInstanceUID=uid,
    )
