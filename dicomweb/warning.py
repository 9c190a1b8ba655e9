"""`Warning: 299`: what a client should know of an answer that is not an error (PS3.18 §8.5)."""

from __future__ import annotations

import re

_QUOTABLE = re.compile(r"[^ !#-\[\]-~]")


def warning(service: str, text: str) -> tuple[str, str]:
    """The header. `service`: this service's address, which PS3.18 has there."""
    return "Warning", f'299 {service} "{_QUOTABLE.sub("?", text)}"'
