"""Where the processes of a node count together: in memory, if the machine has a folder there.

The counters are mapped files. On a disk that is full, whoever first touches a page of one is killed
(SIGBUS); so they lie on a disk only where there is nothing else.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from storage.blobs.spool import abandoned, own_folder

MEMORY = Path("/dev/shm")


def metrics_folder(run_folder: Path, memory: Path = MEMORY) -> Path:
    """A new one for this node; those of nodes that are gone are removed. `run_folder`: on the disk."""
    root = _of_this_user(memory) or run_folder / "metrics"
    root.mkdir(mode=0o750, parents=True, exist_ok=True)
    for folder in abandoned(root):
        shutil.rmtree(folder, ignore_errors=True)
    return own_folder(root)[0]


def _of_this_user(memory: Path) -> Path | None:
    """None when there is no such folder, or somebody else has taken the name."""
    root = memory / f"lightbox-pacs-{os.getuid()}"
    try:
        root.mkdir(mode=0o700, exist_ok=True)
        found = root.lstat()
    except OSError:
        return None
    return root if root.is_dir() and not root.is_symlink() and found.st_uid == os.getuid() else None
