"""The servers compared, each started fresh on a free port of loopback with an empty store.

`Ours` is `pacs serve` as a user types it. `Orthanc` is an executable, or a folder holding a root
file system with one in it (README.md says how to make one); it is left out, visibly, when absent.
`Limit` is DCMTK's `storescp --ignore`, which stores nothing: no archive can be faster.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

import psutil
import psycopg

#: Seconds a peer may take to answer its first C-ECHO, and to stop.
PATIENCE = 60
#: Where each peer sends the instances of a C-MOVE.
SINK_AET = "SINK"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nodelay_library(folder: Path) -> Path | None:
    """`nodelay.c` compiled into `folder`; None where there is no C compiler."""
    library = folder / "nodelay.so"
    source = Path(__file__).with_name("nodelay.c")
    if not library.exists() and shutil.which("cc"):
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library if library.exists() else None


def preloaded(library: Path | None) -> dict[str, str]:
    return {**os.environ, "LD_PRELOAD": str(library)} if library else dict(os.environ)


class Peer:
    """A server under measurement: a context manager around its processes and its store."""

    name = ""
    aet = ""
    stores: ClassVar[list[Path]] = []
    """Of all peers so far. They stay until `remove_stores`: for each new file, ext4 passes by inodes deleted
    in the last half minute, so that files of the next peer took up to ten times as long."""

    def __init__(self, room: Path, library: Path | None) -> None:
        self.room, self.library = room, library
        self.port = free_port()
        self.sink_port = free_port()
        self.web_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, store: Path) -> list[str]:
        raise NotImplementedError

    def environment(self, store: Path) -> dict[str, str]:
        return preloaded(self.library)

    def prepare(self, store: Path) -> None:
        """Makes what the server needs to find when it starts."""

    def learn_sink(self) -> None:
        """Registers the AE `SINK_AET` at `sink_port`, where that was not part of `prepare`."""

    def credentials(self) -> dict[str, str]:
        """Headers that let a request in."""
        return {}

    def archive_path(self, study: str) -> str:
        """Where a study is to be had as ZIP."""
        raise NotImplementedError

    def deletion(self, study: str) -> tuple[str, str, dict[str, str], bytes | None]:
        """Method, path, headers and body of the request that deletes a study."""
        raise NotImplementedError

    def discard(self, store: Path) -> None:
        """Throws away what `prepare` made outside `store`."""

    def __enter__(self) -> Peer:
        self.room.mkdir(parents=True, exist_ok=True)
        self.store = Path(tempfile.mkdtemp(prefix="bench-", dir=self.room))
        self.stores.append(self.store)
        self.prepare(self.store)
        with (self.store / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                self.command(self.store),
                env=self.environment(self.store),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._await_answer()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None
        self.discard(self.store)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if not self.process or self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.store / "server.log").read_text(errors="replace")
                raise RuntimeError(f"{self.name} did not start:\n{log[-2000:]}")
            time.sleep(0.1)

    def answers(self) -> bool:
        echo = ["echoscu", "-q", "-aec", self.aet, "-to", "2", "127.0.0.1", str(self.port)]
        answered = subprocess.run(echo, env=preloaded(self.library), stderr=subprocess.DEVNULL)
        return answered.returncode == 0

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Suspended, if it runs at all, so that what it does by itself is not at the other's expense."""
        processes = self.processes()
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def processes(self) -> list[psutil.Process]:
        if self.process is None:
            return []
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu_seconds(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def memory(self) -> tuple[int, int]:
        """Bytes of PSS and of RSS of all processes together; PSS counts a shared page once."""
        return sum(map(_proportional_set_size, self.pids())), sum(map(_resident_set_size, self.pids()))

    def pids(self) -> list[int]:
        return [process.pid for process in self.processes()]


def _proportional_set_size(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _resident_set_size(pid: int) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


class Ours(Peer):
    """With `postgres`, the URL of a server, each start gets a database of its own there."""

    name = "ours"
    aet = "PACS"
    #: `pacs` of the environment that runs the bench.
    executable = str(Path(sys.executable).with_name("pacs"))

    def __init__(self, room: Path, postgres: str | None = None) -> None:
        super().__init__(room, None)  # the server sees to TCP_NODELAY itself
        self.postgres = postgres
        self._token: tuple[Path, str] | None = None

    def database_url(self, store: Path) -> str:
        if self.postgres:
            return urlunsplit(urlsplit(self.postgres)._replace(path=f"/{_database(store)}"))
        return f"sqlite:///{store / 'bench.sqlite'}"

    def environment(self, store: Path) -> dict[str, str]:
        ours = {"PACS_DATA_DIR": str(store / "data"), "PACS_DATABASE_URL": self.database_url(store)}
        return {**os.environ, **ours, "PACS_LOG_LEVEL": "warning"}

    def prepare(self, store: Path) -> None:
        self._on_server(f"CREATE DATABASE {_database(store)}")
        self.run("db", "upgrade")

    def learn_sink(self) -> None:
        where = ["--host", "127.0.0.1", "--port", str(self.sink_port)]
        self.run("ae", "add", SINK_AET, *where, "--may", "store")

    def credentials(self) -> dict[str, str]:
        if self._token is None or self._token[0] != self.store:
            make = ["token", "create", "--email", "bench@localhost", "--role", "admin", "--create"]
            self._token = self.store, self.run(*make, "--expires", "12h").strip()
        return {"Authorization": f"Bearer {self._token[1]}"}

    def archive_path(self, study: str) -> str:
        return f"/dicom-web/studies/{study}"

    def deletion(self, study: str) -> tuple[str, str, dict[str, str], bytes | None]:
        path = f"/api/v1/studies/{study}"
        return "DELETE", path, {"Content-Type": "application/json"}, b'{"reason": "bench"}'

    def run(self, *arguments: str) -> str:
        environment = self.environment(self.store)
        command = [self.executable, *arguments]
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def command(self, store: Path) -> list[str]:
        http, dimse = f"127.0.0.1:{self.web_port}", f"127.0.0.1:{self.port}"
        return [self.executable, "serve", "--data", str(store / "data"), "--http", http, "--dimse", dimse]

    def discard(self, store: Path) -> None:
        self._on_server(f"DROP DATABASE IF EXISTS {_database(store)} WITH (FORCE)")

    def _on_server(self, statement: str) -> None:
        if self.postgres:
            address = urlunsplit(urlsplit(self.postgres)._replace(scheme="postgresql"))
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(statement.encode())


def _database(store: Path) -> str:
    """A name of letters, digits and underscores only: `mkdtemp` gives no others but the hyphen."""
    return store.name.replace("-", "_").lower()


class Orthanc(Peer):
    name = "Orthanc"
    aet = "ORTHANC"

    def __init__(self, room: Path, library: Path | None, where: Path) -> None:
        self.root = where if where.is_dir() else Path("/")
        self.executable = "Orthanc" if where.is_dir() else str(where)
        super().__init__(self.root / "tmp" if where.is_dir() else room, library)

    def inside(self, path: Path) -> str:
        """`path` as Orthanc sees it from its root."""
        return str(Path("/") / path.relative_to(self.root))

    def prepare(self, store: Path) -> None:
        plugins = [
            self.root / "usr/share/orthanc/plugins" / f"libOrthanc{n}.so" for n in ("DicomWeb", "Gdcm")
        ]
        settings = {
            "Name": "peer",
            "StorageDirectory": self.inside(store / "db"),
            "IndexDirectory": self.inside(store / "db"),
            "HttpPort": self.web_port,
            "DicomPort": self.port,
            "DicomAet": self.aet,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowMove": True,
            "DicomAlwaysAllowGet": True,
            "DicomCheckCalledAet": False,
            "SaveJobs": False,
            "Plugins": [self.inside(plugin) for plugin in plugins if plugin.exists()],
            "DicomModalities": {"sink": [SINK_AET, "127.0.0.1", self.sink_port]},
        }
        (store / "orthanc.json").write_text(json.dumps(settings))
        if self.library:
            shutil.copy(self.library, store)

    def environment(self, store: Path) -> dict[str, str]:
        return dict(os.environ)

    def archive_path(self, study: str) -> str:
        return f"/studies/{self._identifier(study)}/archive"

    def deletion(self, study: str) -> tuple[str, str, dict[str, str], bytes | None]:
        return "DELETE", f"/studies/{self._identifier(study)}", {}, None

    def _identifier(self, study: str) -> str:
        address = f"http://127.0.0.1:{self.web_port}/tools/lookup"
        with urlopen(Request(address, data=study.encode())) as answer:
            found: str = json.load(answer)[0]["ID"]
        return found

    def command(self, store: Path) -> list[str]:
        chroot = ["chroot", str(self.root)] if self.root != Path("/") else []
        preload = [f"LD_PRELOAD={self.inside(store / self.library.name)}"] if self.library else []
        return [*chroot, "env", *preload, self.executable, self.inside(store / "orthanc.json")]

    @staticmethod
    def version(where: Path) -> str:
        command = ["chroot", str(where), "Orthanc"] if where.is_dir() else [str(where)]
        return subprocess.check_output([*command, "--version"], text=True).splitlines()[0]


def remove_stores() -> None:
    while Peer.stores:
        shutil.rmtree(Peer.stores.pop(), ignore_errors=True)


class Limit(Peer):
    """Receives and forgets; forks for each association, so that many can send."""

    name = "limit"
    aet = "LIMIT"

    def command(self, store: Path) -> list[str]:
        return ["storescp", "-q", "--fork", "--ignore", "-aet", self.aet, str(self.port)]


class Least(Peer):
    """What every archive in Python does before it answers, and nothing else: see `bench.least`."""

    name = "least"
    aet = "LEAST"

    def command(self, store: Path) -> list[str]:
        return [sys.executable, "-m", "bench.least", str(store), str(self.port)]

    def environment(self, store: Path) -> dict[str, str]:
        return dict(os.environ)  # it sees to TCP_NODELAY itself


class LeastWeb(Peer):
    """The same for HTTP: see `bench.least_web`."""

    name = Least.name

    def command(self, store: Path) -> list[str]:
        return [sys.executable, "-m", "bench.least_web", str(store), str(self.web_port)]

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.web_port)):
            return True
        return False
