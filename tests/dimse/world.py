"""A tiny world for the DIMSE edge: an archive in memory, a server on a free port, peers by hand."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from dimse.association import Edge
from dimse.negotiation import QueryOptions
from dimse.operation import Service
from dimse.server import DimseServer, Listener, Slot
from dimse.services import echo, store
from dimse.settings import DimseSettings
from dimse.sop_classes import FIND
from pacs.access import Admission
from pacs.actor import Actor
from pacs.model import ApplicationEntity

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass
class Kept:
    actor: Actor
    transfer_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    data_set: bytes = b""


class FakeReceiving:
    def __init__(self, archive: FakeArchive, kept: Kept) -> None:
        self._archive = archive
        self._kept = kept
        self._data = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        if self._archive.fail_writing is not None:
            raise self._archive.fail_writing
        self._archive.written += len(data)
        if self._archive.keep:
            self._data += data

    def commit(self) -> None:
        self._archive.committing.release()
        self._archive.gate.wait()
        if self._archive.fail_commit is not None:
            raise self._archive.fail_commit
        with self._archive.lock:
            self._archive.kept.append(replace(self._kept, data_set=bytes(self._data)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._archive.lock:
            self._archive.left += 1


def _open_gate() -> threading.Event:
    gate = threading.Event()
    gate.set()
    return gate


@dataclass
class FakeArchive:
    """`gate` holds commits back, `committing` counts those that have begun."""

    kept: list[Kept] = field(default_factory=list)
    left: int = 0
    written: int = 0
    keep: bool = True
    fail_writing: Exception | None = None
    fail_commit: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    gate: threading.Event = field(default_factory=_open_gate)
    committing: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def receive(
        self, actor: Actor, transfer_syntax: str, sop_class_uid: str, sop_instance_uid: str
    ) -> FakeReceiving:
        return FakeReceiving(self, Kept(actor, transfer_syntax, sop_class_uid, sop_instance_uid))


@dataclass
class Register:
    """The AE registry; empty unless a test fills it."""

    entities: dict[str, ApplicationEntity] = field(default_factory=dict)

    def find(self, title: str) -> ApplicationEntity | None:
        return self.entities.get(title)

    def all(self) -> list[ApplicationEntity]:
        return list(self.entities.values())


@dataclass
class Watching:
    """An observer that remembers."""

    open: int = 0
    refusals: list[str] = field(default_factory=list)
    operations: list[tuple[str, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def association(self, change: int) -> None:
        with self.lock:
            self.open += change

    def refused(self, calling: str, called: str, address: str, reason: str) -> None:
        self.refusals.append(reason)

    def operation(self, actor: Actor, name: str, status: int, seconds: float) -> None:
        with self.lock:
            self.operations.append((name, status))


@dataclass
class World:
    archive: FakeArchive
    register: Register
    observer: Watching
    server: DimseServer
    host: str
    port: int


@contextmanager
def running(
    settings: DimseSettings | None = None,
    services: tuple[Service, ...] = (),
    called: str | None = None,
    options: dict[str, QueryOptions] | None = None,
    tls: ssl.SSLContext | None = None,
    slot: Slot | None = None,
    listener: socket.socket | None = None,
) -> Iterator[World]:
    archive, register, observer = FakeArchive(), Register(), Watching()
    edge = Edge(
        services=(echo.SERVICE, store.service(archive), *services),
        admission=Admission(register, called),
        observer=observer,
        settings=settings or DimseSettings(),
        options=options or dict.fromkeys(FIND, QueryOptions(relational=True, date_time=True)),
    )
    listener = listener or socket.create_server(("127.0.0.1", 0))
    host, port = listener.getsockname()
    server = DimseServer(edge, [Listener(listener, tls)], slot)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield World(archive, register, observer, server, host, port)
    finally:
        archive.gate.set()
        server.drain(5.0)
        thread.join(5.0)
