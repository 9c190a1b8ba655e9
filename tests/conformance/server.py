"""The archive as a user starts it: `pacs serve` in a folder of its own, on free ports of loopback.

HTTP needs a token: `server.web()` is an httpx client that has one, of an admin of the default
organisation unless told otherwise, such as `server.web("viewer", "other")`; `server.token(…)` is the
bare token, made by `pacs token create` once for each role and organisation. `server.get(path)` has none.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import httpx
import psutil
from pydicom.dataset import Dataset
from sqlalchemy import create_engine, text

from tests.conformance import phantom
from tests.conformance.forked import Forked
from tests.corpus import SHARED_DATA, one_of_each_kind

PATIENCE = 120.0
"""Seconds a server gets to be ready, and to finish."""
DRAIN = 100
"""Seconds that its running work gets to finish: a busy machine is no fault."""
QUIET_PERIOD = 3600
"""Seconds until a study that came counts as complete: not within a test, however long it takes."""

PACS = [sys.executable, "-c", "from config.cli import main; main(prog_name='pacs')"]
_ROOT = str(Path(__file__).parents[2])
_WAIT_LONGER = f"import sys; sys.path.insert(0, {_ROOT!r}); import tests.waiting as w; w.wait_longer()"
_PATIENT = [sys.executable, "-c", f"{_WAIT_LONGER}; {PACS[-1]}"]
"""A database and a store of objects may be as slow as the machine is."""


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = range(10_096 + _WORKER % 16, 32_000, 16)
"""Above 10080, which browsers refuse to open, and below those that the system gives to outgoing connections:
none takes one between two starts. Nor does another worker, to which that of a server that is not up yet
would look free."""
_given: set[int] = set()


def free_port() -> int:
    while True:
        port = random.SystemRandom().choice(_PORTS)  # Hypothesis makes `random` repeat itself
        if port in _given:
            continue
        _given.add(port)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """One node. It keeps its ports and its folder from one `start` to the next."""

    def __init__(self, data: Path, settings: Mapping[str, str] | None = None, as_typed: bool = False) -> None:
        """`as_typed`: in a Python of its own, which takes its time to begin; else `forked`."""
        self.data = data
        self.as_typed = as_typed
        self.http_port, self.dimse_port = free_port(), free_port()
        self.log = data.with_name(f"{data.name}.log")
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("PACS_")}
        self.environment = {
            **foreign,
            "PACS_DATA_DIR": str(data),
            "PACS_HTTP": f"127.0.0.1:{self.http_port}",
            "PACS_DIMSE": f"127.0.0.1:{self.dimse_port}",
            "PACS_LOG_FORMAT": "json",
            "PACS_FREE_SPACE_RESERVE": "1 MiB",
            "PACS_DRAIN_TIMEOUT": str(DRAIN),
            "PACS_QUIET_PERIOD": str(QUIET_PERIOD),
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._tokens: dict[tuple[str, str], str] = {}

    @property
    def embedded(self) -> bool:
        """All that it keeps is in its folder."""
        return "PACS_BLOBS_URL" not in self.environment

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def start(self, *, ready: bool = True) -> None:
        """Returns when it is ready, or at least answers."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self._process = self._typed() if self.as_typed else Forked(self.environment, self.log)
        deadline = time.monotonic() + PATIENCE
        while not (self.ready() if ready else self.live()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start:\n{self.output()[-4000:]}")
            time.sleep(0.02)

    def _typed(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [*PACS, "serve"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def refusal(self) -> str:
        """What it says instead of starting; it must exit with 1."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        code = Forked(self.environment, self.log).wait(PATIENCE)
        assert code == 1, f"exit code {code}:\n{self.output()[-4000:]}"
        return self.output()

    def stop(self) -> None:
        """As Ctrl-C or `kill` does; it must end well, and have had nothing unexpected to say."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            code = process.wait(PATIENCE)
        finally:
            _kill_group(process.pid)
        assert code == 0, f"exit code {code}:\n{self.output()[-4000:]}"
        assert "Traceback" not in self.output()
        assert "unexpected error" not in self.output()

    def kill(self) -> None:
        """`kill -9` of every process at once."""
        process, self._process = self._process, None
        assert process is not None
        _kill_group(process.pid)
        process.wait()

    def command(self, *arguments: str, code: int = 0, typed: str = "") -> str:
        """What `pacs …` prints, beside the server; it must exit with `code`. `typed`: its standard input.

        Where it need not be a process of its own, `quick_command` does the same.
        """
        done = subprocess.run(
            [*(PACS if self.embedded else _PATIENT), *arguments],
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"pacs {arguments} → {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def quick_command(self, *arguments: str, code: int = 0, typed: str = "") -> str:
        """`command`, run in this process: without the second that Python takes to begin."""
        from click.testing import CliRunner

        from config.cli import main

        done = CliRunner().invoke(main, arguments, input=typed, env=self.environment, prog_name="pacs")
        assert done.exit_code == code, f"pacs {arguments} → {done.exit_code}\n{done.output}"
        return done.output

    def token(self, role: str = "admin", organization: str = "default") -> str:
        """A bearer token of the user `ROLE@ORGANIZATION.test`; both are made when they are missing."""
        if (role, organization) not in self._tokens:
            if not re.search(rf"^{organization} ", self.quick_command("organization", "list"), re.MULTILINE):
                self.quick_command("organization", "add", organization)
            whose = ("--email", f"{role}@{organization}.test", "--role", role, "--organization", organization)
            made = self.quick_command("token", "create", *whose, "--create", "--expires", "2h")
            self._tokens[role, organization] = made.strip()
        return self._tokens[role, organization]

    def web(self, role: str = "admin", organization: str = "default") -> httpx.Client:
        """A client of this server with a token; paths are relative to its root."""
        headers = {"Authorization": f"Bearer {self.token(role, organization)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE)

    def bring_in(self, *data_sets: Dataset) -> None:
        """`pacs import`, of these as files."""
        with TemporaryDirectory() as folder:
            for number, ds in enumerate(data_sets):
                Path(folder, f"{number}.dcm").write_bytes(phantom.file_bytes(ds))
            self.quick_command("import", folder)

    def import_corpus(self) -> list[dict[str, Any]]:
        """What QIDO-RS says of the instances then: of every file, or, in a bucket, of one of each kind.

        `test_corpus.py` has every file go into both and come back; what is made of it knows of no bucket.
        """
        files = [SHARED_DATA] if self.embedded else one_of_each_kind()
        self.quick_command("import", *map(str, files), code=1)  # some have no place in an archive
        with self.web() as web:
            answer = web.get("/dicom-web/instances?limit=5000")
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.json()
        assert len(found) > (300 if self.embedded else 80)
        return found

    def get(self, path: str) -> tuple[int, Any]:
        answer = httpx.get(self.url + path, timeout=PATIENCE)
        return answer.status_code, answer

    def live(self) -> bool:
        return self._answers_200("/health/live")

    def ready(self) -> bool:
        return self._answers_200("/health/ready")

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def processes(self) -> list[psutil.Process]:
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def memory(self) -> int:
        """Bytes of all processes together, pages that they share counted once (PSS)."""
        total = 0
        for process in self.processes():
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total

    def blobs(self) -> int:
        """How many blobs lie in the folder."""
        folder = self.data / "blobs" / "blake3"
        return sum(1 for path in folder.rglob("*") if path.is_file())

    def sql(self, statement: str) -> str:
        """The rows of a query, as text."""
        url = self.environment.get("PACS_DATABASE_URL") or f"sqlite:///{self.data / 'pacs.db'}"
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                return "\n".join(str(tuple(row)) for row in connection.execute(text(statement)))
        finally:
            engine.dispose()

    def _answers_200(self, path: str) -> bool:
        try:
            with urlopen(self.url + path, timeout=30) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


def _kill_group(leader: int) -> None:
    """Returns when none of it is left: until then its ports are in use."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while any(_runs_in(leader, pid) for pid in psutil.pids()):
        assert time.monotonic() < deadline, "a killed process does not end"
        time.sleep(0.01)


def _runs_in(group: int, pid: int) -> bool:
    """One that has ended may be listed until its parent looks; its files are closed with its last thread."""
    try:
        if os.getpgid(pid) != group:
            return False
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
