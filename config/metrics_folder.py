"""The folder of counters that the processes of a node share: in memory (/dev/shm) where possible.

The counters are memory-mapped files. On a full disk, a process that first touches a page of one is killed
(SIGBUS), so a disk is used only as a last resort.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from storage.blobs.spool import abandoned, own_folder

MEMORY = Path("/dev/shm")


def metrics_folder(run_folder: Path, memory: Path = MEMORY) -> Path:
    """A new folder for this node; those of ended nodes are removed. `run_folder`: on disk."""
    root = _of_this_user(memory) or run_folder / "metrics"
    root.mkdir(mode=0o750, parents=True, exist_ok=True)
    for folder in abandoned(root):
        shutil.rmtree(folder, ignore_errors=True)
    return own_folder(root)[0]


def _of_this_user(memory: Path) -> Path | None:
    """None when there is no memory folder, or another user owns the name."""
    root = memory / f"lightbox-pacs-{os.getuid()}"
    try:
        root.mkdir(mode=0o700, exist_ok=True)
        found = root.lstat()
    except OSError:
        return None
    return root if root.is_dir() and not root.is_symlink() and found.st_uid == os.getuid() else None
