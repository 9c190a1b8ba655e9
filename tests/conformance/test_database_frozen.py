"""A PostgreSQL that stands still with its connections open is as one that is away, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import httpx
import pytest
from pydicom.uid import CTImageStorage, generate_uid

from bench.wire import Association
from tests.conformance.senders import Modality, small_ct, wire_bytes
from tests.conformance.server import Server
from tests.conformance.test_database_away import refused_for_now, slices
from tests.conformance.test_durability import wait_for
from tests.conformance.test_stow import STUDIES, kept, settled, store
from tests.servers import Cluster, cluster


@dataclass
class World:
    server: Server
    database: Cluster
    web: httpx.Client


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with cluster() as database:
        settings = {"PACS_DATABASE_URL": database.url, "PACS_OPEN": "1", "PACS_DATABASE_PATIENCE": "1"}
        server = Server(tmp_path_factory.mktemp("frozen") / "data", settings, as_typed=True)
        server.start()
        with httpx.Client(base_url=server.url, timeout=120) as web:
            yield World(server, database, web)
        server.stop()


def test_whoever_asks_is_told(world: World) -> None:
    """Its connections lie idle, or are new. Who associates only now is refused for now, or by C-STORE."""
    web, modality = world.web, Modality(world.server.dimse_port, generate_uid())
    assert web.get(STUDIES).status_code == 200

    def associates_only_now() -> None:
        with suppress(ConnectionError):  # or it is rejected at once: temporary congestion
            modality.send(1)

    with Association(("127.0.0.1", modality.port), "PACS", CTImageStorage) as association:
        slice_, refused = small_ct(modality.study, modality.series), small_ct(modality.study, modality.series)
        assert association.store(slice_.SOPInstanceUID, [wire_bytes(slice_)]) == 0x0000
        with world.database.frozen(), ThreadPoolExecutor(5) as together:  # each waits for seconds
            status = together.submit(association.store, refused.SOPInstanceUID, [wire_bytes(refused)])
            newcomer = together.submit(associates_only_now)
            reads = together.map(web.get, (STUDIES, f"{STUDIES}/{modality.study}"))
            stored = together.submit(store, web, *slices(generate_uid(), 1))
            assert status.result() == 0xA700
            newcomer.result()
            assert not modality.acknowledged
            for answer in reads:
                refused_for_now(answer)
            assert stored.result().status_code == 503
            assert world.server.live() and not world.server.ready()
    wait_for(world.server.ready)
    modality.send(1)
    assert kept(world.server, modality.study) == 2
    assert settled(world.server)


def test_senders_in_the_midst_of_it_lose_nothing(world: World) -> None:
    """What was asked when it froze is answered when it goes on, or refused; never both, nor by half."""
    modalities = [Modality(world.server.dimse_port, generate_uid()) for _ in range(3)]
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in modalities]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(each.acknowledged for each in modalities))
    with world.database.frozen():
        assert not world.server.ready()
    wait_for(world.server.ready)
    before = [len(each.acknowledged) for each in modalities]
    wait_for(lambda: all(len(m.acknowledged) > n for m, n in zip(modalities, before, strict=True)))
    stop.set()
    for thread in threads:
        thread.join()
    for modality in modalities:
        assert kept(world.server, modality.study) >= len(modality.acknowledged)
        there = world.web.get(f"{STUDIES}/{modality.study}/instances", params={"limit": 10_000}).json()
        assert set(modality.acknowledged) <= {each["00080018"]["Value"][0] for each in there}
    world.server.quick_command("verify")
    world.server.quick_command("audit", "verify")
