"""DIMSE messages over a connection: a command set, and perhaps a data set behind it (PS3.7 §6.3, PS3.8 §E).

A data set is never held in memory: it is passed on fragment by fragment, and sent chunk by chunk.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dimse.command import MAX_COMMAND, BadCommand, Command, decode, encode
from dimse.connection import Connection
from dimse.ended import TimedOut, Violation
from dimse.pdu import PDV_OVERHEAD, AbortReason, Pdv, fragments

_UNLIMITED = 1 << 18  # the longest PDU that we send when the peer sets no limit
_LEAST = PDV_OVERHEAD + 2  # a limit below this leaves no room for data; the peer cannot mean it
_SEND = 1 << 18
"""Bytes that are gathered for one send, so that a small message takes a single one."""


@dataclass(slots=True)
class Message:
    """A received message. Its data set must be read or discarded before the next is received."""

    context_id: int
    command: Command


class Messages:
    """Both directions of one association. Sending is safe from several threads, receiving is not."""

    def __init__(self, connection: Connection, peer_max_length: int, stall_timeout: float) -> None:
        self._connection = connection
        self._max_length = max(min(peer_max_length or _UNLIMITED, _UNLIMITED), _LEAST)
        self._stall_timeout = stall_timeout
        self._pdvs: deque[Pdv] = deque()
        self._sending = threading.Lock()

    # --- Receiving ----------------------------------------------------------------------------

    def receive(self, timeout: float, idle: bool = False) -> Message:
        """The next message's command. Every `AssociationEnded`; `TimedOut` after `timeout` seconds."""
        if not self._pdvs:
            self._pdvs.extend(self._connection.receive_data(timeout, idle))
        pdv = self._next()
        if not pdv.is_command:
            raise self.violated("a data set without a command")
        encoded = bytes(pdv.data)
        while not pdv.is_last:
            pdv = self._next_of(pdv.context_id, is_command=True)
            encoded += pdv.data
            if len(encoded) > MAX_COMMAND:
                raise self.violated("a command set without an end")
        try:
            return Message(pdv.context_id, decode(encoded))
        except BadCommand as bad:
            raise self.violated(str(bad)) from bad

    def poll(self) -> Message | None:
        """The next message's command when at least its beginning is there; else None at once."""
        try:
            while not self._pdvs:
                self._pdvs.extend(self._connection.receive_data(0.0))
        except TimedOut:
            return None
        return self.receive(self._stall_timeout)

    def data_set(self, message: Message) -> Iterator[memoryview]:
        """The data set's fragments; each is valid until the next is taken."""
        last = not message.command.has_data_set
        while not last:
            pdv = self._next_of(message.context_id, is_command=False)
            last = pdv.is_last
            yield pdv.data

    def discard(self, message: Message) -> None:
        """Read a data set that nobody wants."""
        for _ in self.data_set(message):
            pass

    def _next(self) -> Pdv:
        while not self._pdvs:
            self._pdvs.extend(self._connection.receive_data(self._stall_timeout))
        return self._pdvs.popleft()

    def _next_of(self, context_id: int, is_command: bool) -> Pdv:
        """The next fragment, which must be of this message: messages are not interleaved (PS3.8 §E.1)."""
        pdv = self._next()
        if pdv.context_id != context_id or pdv.is_command != is_command:
            raise self.violated("fragments of different messages are mixed")
        return pdv

    def violated(self, what: str) -> Violation:
        """Abort the association; returns the exception for the caller to raise."""
        self._connection.abort(2, AbortReason.INVALID_PARAMETER)
        return Violation(what)

    # --- Sending ------------------------------------------------------------------------------

    def send(
        self, context_id: int, command: Command, data_set: Iterable[bytes | memoryview] | None = None
    ) -> None:
        """One message. When `data_set` raises after a part of it has gone out, the association is
        aborted: half a message cannot be taken back. Until then nothing has happened."""
        with self._sending:
            pieces: list[bytes | memoryview] = []
            encoded = encode(command, data_set is not None)
            for piece in fragments(context_id, True, (encoded,), self._max_length):
                pieces += piece
            if data_set is not None:
                pieces = self._stream(context_id, data_set, pieces)
            self._connection.send_data(pieces)

    def _stream(
        self, context_id: int, data_set: Iterable[bytes | memoryview], pieces: list[bytes | memoryview]
    ) -> list[bytes | memoryview]:
        """Send all but the last pieces, which are returned."""
        size, begun = 0, False
        try:
            for header, payload in fragments(context_id, False, data_set, self._max_length):
                pieces += (header, payload)
                size += len(payload)
                if size >= _SEND:
                    begun = True
                    self._connection.send_data(pieces)
                    pieces, size = [], 0
        except BaseException:
            if begun:
                self._connection.abort()
            raise
        return pieces
