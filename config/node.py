"""One node of the archive: its listening sockets, its child processes, startup and shutdown."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import click
import structlog

import pacs
from config import logging
from config.address import Address
from config.faults import message
from config.metrics_folder import metrics_folder
from config.serving import record_ports
from config.settings import Settings, environment_name
from config.sharing import ConnectionCounts, Slot
from config.sockets import CannotListen, bound, listen
from config.sources import BadSettings
from config.supervisor import Role, Supervisor, run_in_child
from pacs.accounts import FIRST_ADMINISTRATOR
from pacs.errors import PacsError

log = structlog.get_logger(__name__)

_METRICS = "PROMETHEUS_MULTIPROC_DIR"


def run(settings: Settings, only: str | None = None) -> int:
    """Serve until a signal; returns the exit code. `only`: run children of this role alone."""
    _allow_open_files()
    settings.data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    logging.configure(settings.log_level, settings.log_format, settings.data_dir / "log")
    metrics = metrics_folder(settings.data_dir / "run")
    os.environ[_METRICS] = str(metrics)  # before anything imports prometheus_client
    from config import children, tls  # imported once, shared by all children after forking
    from dimse.server import Listener
    from pacs.metrics import process_ended

    accepting, _ = tls.accepting(settings), tls.calling(settings)  # reports faults before children start
    sockets = _listen(settings, only)
    chosen = {name: bound(each, getattr(settings, name)) for name, each in sockets.items()}
    settings = settings.model_copy(update=chosen)  # with the ports that 0 has become
    password = _prepare(settings, with_users="http" in sockets and not settings.open)
    node = children.Node(settings, children.fork_server(settings))
    roles = [Role("pixels", node.pixels)]
    if "dimse" in sockets:
        contexts = {"dimse": None, "dimse_tls": accepting}
        listeners = [
            Listener(sockets[name], context) for name, context in contexts.items() if name in sockets
        ]
        roles += _sharing_roles("dimse", settings.processes_dimse, partial(node.dimse, listeners))
    if "http" in sockets:
        roles += _sharing_roles("http", settings.processes_http, partial(node.http, sockets["http"]))
    if only in (None, "jobs"):
        roles.append(Role("jobs", node.jobs))

    def stop_listening() -> None:
        node.fork_server.close()
        for listener in sockets.values():
            listener.close()

    supervisor = Supervisor(
        [_with_own_sockets(role, sockets) for role in roles],
        settings.drain_timeout,
        on_drain=stop_listening,
        on_death=process_ended,
    )
    served = record_ports(settings.data_dir, (each.getsockname()[1] for each in sockets.values()))
    _announce(settings, chosen)
    if password:
        click.echo(
            f"First sign-in: {FIRST_ADMINISTRATOR} with the one-time password {password} (not shown again)"
        )
    try:
        return supervisor.run()
    finally:
        for folder in filter(None, (metrics, served)):
            shutil.rmtree(folder, ignore_errors=True)


def _listen(settings: Settings, only: str | None) -> dict[str, socket.socket]:
    """The listening sockets by setting, whose name begins with the role that accepts from the socket.

    `BadSettings` names all addresses that cannot be listened on.
    """
    sockets: dict[str, socket.socket] = {}
    faults = []
    for name in ("dimse", "dimse_tls", "http"):
        address: Address | None = getattr(settings, name)
        if address is None or (only is not None and not name.startswith(only)):
            continue
        try:
            sockets[name] = listen(address, environment_name(name))
        except CannotListen as error:
            faults.append(str(error))
    if faults:
        raise BadSettings(faults)
    return sockets


def _sharing_roles(name: str, processes: int, run: Callable[[Slot, threading.Event], None]) -> Iterator[Role]:
    """One role for each of the processes that accept from the same sockets."""
    counts = ConnectionCounts(processes)
    for number in range(processes):
        yield Role(name, partial(run, counts.slot(number)))


def _with_own_sockets(role: Role, sockets: Mapping[str, socket.socket]) -> Role:
    """The role, in a process that first closes the listeners of all others. Otherwise a port would stay open,
    with nobody to answer, until the last process of another kind has finished its work."""

    def run(stop: threading.Event) -> None:
        for name, listener in sockets.items():
            if not name.startswith(role.name):
                listener.close()
        role.run(stop)

    return Role(role.name, run)


def _prepare(settings: Settings, with_users: bool) -> str:
    """Runs in a child. Returns the first administrator's one-time password if just created, else ""."""
    reader, writer = os.pipe()
    run_in_child(lambda: _prepare_here(settings, with_users, writer))
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return pipe.read()


def _prepare_here(settings: Settings, with_users: bool, writer: int) -> None:
    from config import startup

    try:
        startup.prepare_node(settings)
        if with_users:
            os.write(writer, startup.first_administrator(settings).encode())
    except (PacsError, OSError) as error:
        click.echo(f"Error: {message(error, settings.data_dir)}", err=True)
        raise SystemExit(1) from None
    except BadSettings as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(1) from None


def _allow_open_files() -> None:
    """Raise the limit to this user's maximum: an association needs several files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _announce(settings: Settings, listening: dict[str, Address]) -> None:
    where = {name: str(address) for name, address in listening.items()}
    if settings.log_format == "json":
        log.info("listening", version=pacs.__version__, ae_title=settings.ae_title, **where)
        return
    lines = [f"Lightbox PACS {pacs.__version__}", ""]
    if "dimse" in listening:
        address = listening["dimse"]
        host, port = address.reachable_host, address.port
        lines.append(f"  DICOM   {settings.ae_title} on {address}")
        lines.append(f"  Try     dcmsend -nh -aec {settings.ae_title} +sd +r {host} {port} FOLDER")
    if "dimse_tls" in listening:
        lines.append(f"  DICOM   {settings.ae_title} on {listening['dimse_tls']}, by TLS")
    if "http" in listening:
        address = listening["http"]
        scheme = "https" if settings.http_tls else "http"
        web = settings.base_url or f"{scheme}://{address.reachable_host}:{address.port}"
        lines.append(
            f"  Web     {web.rstrip('/')}/" + ("  (open: no authentication)" if settings.open else "")
        )
    lines += [f"  Data    {settings.data_dir}", "  Stop    Ctrl-C", ""]
    click.echo("\n".join(lines))
