"""One socket driven through the upper layer: blocking for its user, with a limit to every wait.

The socket itself is non-blocking: available bytes are taken by one system call, and only an empty socket
is waited for. A PDU, or a whole small message, is sent by one call, as Nagle's algorithm and delayed
acknowledgements would otherwise cost 40 ms a message.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time

from dimse import pdu
from dimse.associate import AssociateAccept, AssociateReject, AssociateRequest
from dimse.ended import Aborted, ConnectionLost, Draining, Released, TimedOut, Violation
from dimse.flag import Flag
from dimse.pdu import AbortReason, Pdv
from dimse.states import State
from dimse.transport import INTERNET, MEANWHILE_EVERY, Meanwhile, prepare
from dimse.upper_layer import (
    Data,
    Event,
    Faulty,
    PeerAborted,
    ReleaseReplied,
    ReleaseRequested,
    UpperLayer,
)
from pacs.network import failure

LINGER = 2.0
"""Seconds for the peer to close after our last PDU (Sta13); closing at once could destroy it unread."""
_LINGER_BYTES = 1 << 24  # what a peer may still send us meanwhile
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_BATCH = 512  # pieces for one sendmsg; Linux takes 1,024

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """`stop`: set when the server drains. `meanwhile`: called during each wait for this peer; once it has
    raised, there is no more waiting."""

    def __init__(
        self,
        sock: socket.socket,
        upper_layer: UpperLayer,
        stall_timeout: float,
        stop: Flag | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> None:
        prepare(sock)
        self._socket = sock
        self._upper_layer = upper_layer
        self._stall_timeout = stall_timeout
        self._sending = threading.Lock()
        self._quick = _QUICKACK is not None and sock.family in INTERNET
        self._tls = isinstance(sock, ssl.SSLSocket)
        # OpenSSL takes no read beside a write; plain sockets do.
        self._guard = threading.Lock() if self._tls else contextlib.nullcontext()
        self._stop = stop
        self._meanwhile = meanwhile
        self._given_up = False
        self._readable = _poll(sock, select.POLLIN)
        self._readable_or_stop = _poll(sock, select.POLLIN, stop)
        self._writable = _poll(sock, select.POLLOUT)

    # --- Receiving ----------------------------------------------------------------------------

    def next_event(self, timeout: float, idle: bool = False) -> Event:
        """The next event whole, within `timeout` seconds, else `TimedOut`.

        `idle`: no message is under way, so that it ends with `Draining` when the server stops, whatever the
        peer goes on to send.
        """
        deadline = 0.0
        if idle and self._stop is not None and self._stop.is_set:
            raise Draining
        while True:
            event = self._upper_layer.next_event()
            if self._upper_layer.reply:
                self._send_reply()
            if event is not None:
                return event
            if self._receive_some():
                continue
            now = time.monotonic()
            deadline = deadline or now + timeout
            self._wait_readable(deadline - now, idle and not self._upper_layer.reader.buffered)

    def _receive_some(self) -> bool:
        """Whether bytes, or the end of the stream, were available."""
        reason = "closed by the peer"
        try:
            room = self._upper_layer.reader.room()
            with self._guard:
                count = self._socket.recv_into(room)
        except _WOULD_BLOCK:
            return False
        except ssl.SSLError as error:
            count, reason = 0, failure(error)
        except OSError:
            count = 0
        if not count:
            self._upper_layer.closed()
            raise ConnectionLost(reason)
        self._upper_layer.reader.received(count)
        if self._quick:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK or 0, 1)
        return True

    def _wait_readable(self, seconds: float, idle: bool) -> None:
        ready = self._wait(self._readable_or_stop if idle else self._readable, seconds)
        if self._stop is not None and ready == [self._stop.fileno()]:
            raise Draining

    def _wait(self, poll: select.poll, seconds: float) -> list[int]:
        """The descriptors that are ready; empty when it is time to look again."""
        if seconds <= 0:
            raise TimedOut
        if self._meanwhile is None:
            return [descriptor for descriptor, _ in poll.poll(seconds * 1000)]
        ready = [descriptor for descriptor, _ in poll.poll(min(seconds, MEANWHILE_EVERY) * 1000)]
        if not ready:
            self._look_after(self._meanwhile)
        return ready

    def _look_after(self, meanwhile: Meanwhile) -> None:
        try:
            meanwhile()
        except BaseException:
            self._given_up = True
            raise

    def receive_data(self, timeout: float, idle: bool = False) -> list[Pdv]:
        """The next fragments; any other event ends the association and is raised as its end."""
        event = self.next_event(timeout, idle)
        if isinstance(event, Data):
            return event.pdvs
        if isinstance(event, ReleaseRequested):
            raise Released
        if isinstance(event, PeerAborted):
            raise Aborted(f"source {event.source}, reason {event.reason}")
        if isinstance(event, Faulty):
            raise Violation(event.reason.name)
        raise Violation(type(event).__name__)

    # --- Sending ------------------------------------------------------------------------------

    def request(self, request: AssociateRequest) -> None:
        self._send(self._upper_layer.request(request))

    def accept(self, accept: AssociateAccept) -> None:
        self._send(self._upper_layer.accept(accept))

    def reject(self, reject: AssociateReject) -> None:
        self._send(self._upper_layer.reject(reject))

    @property
    def is_over(self) -> bool:
        """Whether data can no longer be sent."""
        return not self._upper_layer.may_send_data

    def send_data(self, pieces: list[bytes | memoryview]) -> None:
        """P-DATA-TF PDUs in pieces that need not be copied together."""
        if self.is_over:
            raise ConnectionLost("the association is over")
        self._send(*pieces)

    def confirm_release(self) -> None:
        self._send(self._upper_layer.release_reply())

    def release(self, timeout: float) -> None:
        """Release in order (PS3.8 §7.2), through a collision with the peer's own request.

        `TimedOut` after `timeout` seconds, whatever the peer goes on to send.
        """
        deadline = time.monotonic() + timeout
        self._send(self._upper_layer.release())
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimedOut
            event = self.next_event(left)
            if isinstance(event, ReleaseReplied):
                return
            if isinstance(event, ReleaseRequested):
                self.confirm_release()
            elif isinstance(event, PeerAborted | Faulty):
                raise Aborted

    def abort(self, source: int = 0, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> None:
        """Give the association up; no effect where there is none, or none any more."""
        if self._upper_layer.may_abort:
            with contextlib.suppress(ConnectionLost, TimedOut):
                self._send(self._upper_layer.abort(source, reason))

    def _send_reply(self) -> None:
        reply, self._upper_layer.reply = self._upper_layer.reply, b""
        with contextlib.suppress(ConnectionLost, TimedOut):
            self._send(reply)

    def _send(self, *pieces: bytes | memoryview) -> None:
        with self._sending:
            try:
                self._write([b"".join(pieces)] if self._tls else list(pieces))
            except OSError as error:
                raise ConnectionLost(failure(error)) from error
            except BaseException:  # perhaps within a PDU, after which nothing can be sent
                self._shut()
                raise

    def _write(self, pieces: list[bytes | memoryview]) -> None:
        deadline = time.monotonic() + self._stall_timeout
        while pieces:
            try:
                with self._guard:
                    sent = self._send_some(pieces)
            except _WOULD_BLOCK:
                self._wait(self._writable, deadline - time.monotonic())
            else:
                pieces = _unsent(pieces, sent)

    def _send_some(self, pieces: list[bytes | memoryview]) -> int:
        if self._tls:  # has no sendmsg
            return self._socket.send(pieces[0])
        return self._socket.sendmsg(pieces[:_BATCH])

    # --- Ending -------------------------------------------------------------------------------

    def close(self) -> None:
        """End the transport, after the peer has had time to read our last PDU."""
        if isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):  # does not wait for the peer's own end
                self._socket.unwrap()
        if self._upper_layer.state is State.STA13 and not self._given_up:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
                self._linger()
        with contextlib.suppress(OSError):
            self._socket.close()

    def _linger(self) -> None:
        deadline = time.monotonic() + LINGER
        scrap = bytearray(1 << 16)
        for _ in range(_LINGER_BYTES >> 16):
            with contextlib.suppress(*_WOULD_BLOCK):
                if not self._socket.recv_into(scrap):
                    return
            left = deadline - time.monotonic()
            if left <= 0 or not self._readable.poll(left * 1000):
                return

    @property
    def awaits_request(self) -> bool:
        """Whether the peer has connected, and not asked for an association yet."""
        return self._upper_layer.state is State.STA2

    def cut(self) -> None:
        """From another thread: end every wait on this connection now; with an A-ABORT, unless a PDU is half
        sent."""
        free = self._sending.acquire(blocking=False)
        try:
            if free and self._upper_layer.may_abort:
                with contextlib.suppress(OSError), self._guard:
                    self._send_some([pdu.abort(0)])
            self._shut()
        finally:
            if free:
                self._sending.release()

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # TLS's own ends the encryption first


def _poll(sock: socket.socket, event: int, flag: Flag | None = None) -> select.poll:
    poll = select.poll()
    poll.register(sock, event)
    if flag is not None:
        poll.register(flag, select.POLLIN)
    return poll


def _unsent(pieces: list[bytes | memoryview], sent: int) -> list[bytes | memoryview]:
    for position, piece in enumerate(pieces):
        if sent < len(piece):
            return [memoryview(piece)[sent:], *pieces[position + 1 :]]
        sent -= len(piece)
    return []
