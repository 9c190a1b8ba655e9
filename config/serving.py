"""Records the ports held by running servers of a data folder, so that `pacs doctor` does not take them for
another program's.

Each server has a folder of its own, locked as long as one of its processes lives.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from storage.blobs.spool import abandoned, own_folder

_PORTS = "ports"


def _root(data_dir: Path) -> Path:
    return data_dir / "run" / "serving"


def record_ports(data_dir: Path, ports: Iterable[int]) -> Path | None:
    """The folder, to be removed at the end; None on a full disk, which does not prevent serving."""
    root = _root(data_dir)
    try:
        root.mkdir(mode=0o750, parents=True, exist_ok=True)
        for folder in abandoned(root):
            shutil.rmtree(folder, ignore_errors=True)
        folder, _ = own_folder(root)
        (folder / _PORTS).write_text(" ".join(map(str, ports)))
    except OSError:
        return None
    return folder


def ports_held(data_dir: Path) -> set[int]:
    """The ports of servers that are running now."""
    root = _root(data_dir)
    held: set[int] = set()
    with suppress(OSError):
        over = set(abandoned(root))
        for folder in set(root.iterdir()) - over:
            with suppress(OSError):
                held.update(map(int, (folder / _PORTS).read_text().split()))
    return held
