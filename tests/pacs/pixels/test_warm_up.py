"""Whether a process that has rehearsed has everything at hand for its first picture."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import sys
from pacs.pixels.warm_up import warm_up
warm_up()
before = set(sys.modules)
from pacs.pixels.encode import MEDIA_TYPES, encode
from pacs.pixels.picture import Picture
import numpy as np
for media_type in ("image/jpeg", "image/png", "image/webp"):
    encode(Picture(np.zeros((8, 8), np.uint8)), media_type)
print(*sorted(set(sys.modules) - before))
"""


def test_nothing_is_imported_by_the_first_picture_after_a_rehearsal() -> None:
    found = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
