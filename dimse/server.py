"""The listener: a thread per association, a limit to their number, and an orderly end."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from dimse.association import Association, Edge
from dimse.connection import Connection
from dimse.flag import Stop
from dimse.transport import encrypted
from dimse.upper_layer import Role, UpperLayer
from pacs.log_throttle import LogThrottle
from pacs.network import failure

log = structlog.get_logger(__name__)

_TO_REFUSE = 32
"""Associations above the limit that are rejected with an answer; further connections are just closed."""
_SILENCE = 2.0
"""Seconds after which a connection that has not requested an association gives way to a new one. Real peers
request one at once; otherwise, a thousand that only connect would shut out all others."""
_PATIENCE, _MOMENT = 0.03, 0.001
"""Seconds for which a connection is left to processes that hold fewer associations, and between looks at it.
Left to chance, one core has all senders and the other none."""
_LEAD = 5.0
"""Seconds before the end of a drain at which long queries and retrievals answer with what they have sent."""
_LATE = 2.5
"""Seconds before the end of a drain from which they wait for nobody else, in order to answer in time."""
_LAST_MOMENT = 1.0
"""Seconds for all associations that were cut to notice it."""


@dataclass(slots=True)
class _Guest:
    """`connection`: None until the TLS handshake is over, and for one that was sent away (`leaving`)."""

    arrived: float
    connection: Connection | None = None
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """Where peers connect, plainly or by TLS."""

    socket: socket.socket
    tls: ssl.SSLContext | None = None


class Slot(Protocol):
    """This process among those that share the listeners."""

    def publish(self, count: int) -> None:
        """Tell the others how many associations this process has."""

    def is_ahead(self) -> bool:
        """Whether another process should take the next connection."""


class OnlyProcess:
    def publish(self, count: int) -> None:
        pass

    def is_ahead(self) -> bool:
        return False


class DimseServer:
    """`serve` on a thread of the caller's choice; `drain` from another ends it.

    `listeners` may be shared with other processes; `slot` is this one's among them.
    """

    def __init__(self, edge: Edge, listeners: Sequence[Listener], slot: Slot | None = None) -> None:
        self._edge = edge
        self._slot = slot or OnlyProcess()
        self._listeners = listeners
        for listener in listeners:
            listener.socket.setblocking(False)
        self.stop = Stop()
        self._failures = LogThrottle()
        self._lock = threading.Lock()
        self._threads: dict[threading.Thread, _Guest] = {}

    def serve(self) -> None:
        """Accept until `drain`."""
        self._slot.publish(self.associations)
        poll = select.poll()
        poll.register(self.stop.begun, select.POLLIN)
        listeners = {listener.socket.fileno(): listener for listener in self._listeners}
        for descriptor in listeners:
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            if self.stop.begun.fileno() in ready:
                break
            for descriptor in ready:
                self._accept(listeners[descriptor])
        for listener in self._listeners:
            listener.socket.close()

    def _accept(self, listener: Listener) -> None:
        deadline = time.monotonic() + _PATIENCE
        while self._slot.is_ahead() and time.monotonic() < deadline:
            time.sleep(_MOMENT)
        try:
            sock, address = listener.socket.accept()
        except BlockingIOError:
            return  # another process was faster, or the peer has gone again
        except OSError as error:
            self._complain(error)
            time.sleep(0.1)  # out of descriptors: let associations end
            return
        with self._lock:
            leaving = sum(guest.leaving for guest in self._threads.values())
            places = self._edge.settings.max_associations - len(self._threads) + min(leaving, _TO_REFUSE)
            if places <= 0:
                places += self._make_room(1 - places)
            if places <= -_TO_REFUSE:
                sock.close()
                return
            thread = threading.Thread(
                target=self._run,
                args=(sock, listener.tls, str(address[0]), places <= 0),
                name="association",
                daemon=True,
            )
            # Under the lock, so that whoever reads the table finds only threads that run and can be joined.
            try:
                thread.start()
            except RuntimeError as error:
                self._complain(error)
                sock.close()
                return
            self._threads[thread] = _Guest(time.monotonic())
            self._slot.publish(len(self._threads))

    def _make_room(self, wanted: int) -> int:
        """Cut off the oldest silent connections, at most `wanted`. Returns how many."""
        made, before = 0, time.monotonic() - _SILENCE
        for guest in self._threads.values():
            if made == wanted or guest.arrived > before:
                break
            if (connection := guest.connection) is not None and connection.awaits_request:
                guest.connection, guest.leaving = None, True
                connection.cut()
                made += 1
        return made

    def _complain(self, error: Exception) -> None:
        if times := self._failures.occurrences():
            log.error("connection not accepted", error=str(error), times=times)

    def _run(self, sock: socket.socket, tls: ssl.SSLContext | None, address: str, full: bool) -> None:
        settings = self._edge.settings
        try:
            if tls is not None:
                sock = encrypted(sock, tls, settings.request_timeout, self._unless_stopping)
            upper_layer = UpperLayer(Role.ACCEPTOR, settings.max_length)
            connection = Connection(sock, upper_layer, settings.stall_timeout, self.stop.begun)
            with self._lock:
                self._threads[threading.current_thread()].connection = connection
            Association(connection, self._edge, address, self.stop, full).run()
        except OSError as error:
            log.info("association ended", address=address, reason=failure(error))
            sock.close()
        finally:
            with self._lock:
                del self._threads[threading.current_thread()]
                self._slot.publish(len(self._threads))

    def _unless_stopping(self) -> None:
        if self.stop.begun.is_set:
            raise TimeoutError

    @property
    def associations(self) -> int:
        with self._lock:
            return len(self._threads)

    def drain(self, timeout: float) -> bool:
        """Stop accepting, let running messages end within `timeout` seconds, cut what is left.

        Returns whether everything ended by itself.
        """
        self.stop.begun.set()
        deadline = time.monotonic() + timeout
        self._wait(deadline - _LEAD)
        self.stop.ending.set()
        self._wait(deadline - _LATE)
        self.stop.late.set()
        self._wait(deadline)
        with self._lock:
            late = dict(self._threads)
        for guest in late.values():
            if guest.connection is not None:
                guest.connection.cut()
        deadline = time.monotonic() + _LAST_MOMENT
        for thread in late:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not late

    def _wait(self, deadline: float) -> None:
        """Until all associations have ended, or `deadline`."""
        while (thread := self._one()) is not None and (left := deadline - time.monotonic()) > 0:
            thread.join(left)

    def _one(self) -> threading.Thread | None:
        with self._lock:
            return next(iter(self._threads), None)
