"""The `Warning: 299` header: remarks on an answer (PS3.18 §8.5)."""

from __future__ import annotations

import re

_UNFIT = re.compile(r"[^ !#-\[\]-~]")


def warning(service: str, text: str) -> tuple[str, str]:
    """The header's name and value. `service`: this service's URL, which PS3.18 puts into it."""
    quotable = _UNFIT.sub("?", text.replace('"', "'"))
    return "Warning", f'299 {service} "{quotable}"'
