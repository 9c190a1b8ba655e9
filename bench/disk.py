"""What the disk asks for durability, whoever writes: files, each with its name, waited for one by one."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def durable_copies(room: Path, folders: Sequence[Path]) -> float:
    """Seconds to write a copy of each file, wait for its bytes, and wait for its name."""
    contents = [p.read_bytes() for folder in folders for p in sorted(folder.rglob("*")) if p.is_file()]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=room) as name:
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        begin = time.perf_counter()
        for number, content in enumerate(contents):
            file = os.open(f"{name}/{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(file, content)
            os.fdatasync(file)
            os.close(file)
            os.fsync(folder)
        seconds = time.perf_counter() - begin
        os.close(folder)
    return seconds
