"""multipart/related as PS3.18 §8.6.1.2 and RFC 2387 have it: written for STOW, read strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message

import httpx

BOUNDARY = "kit-boundary"


@dataclass(frozen=True)
class Part:
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def transfer_syntax(self) -> str:
        return parameters(self.headers.get("content-type", "")).get("transfer-syntax", "")


def parameters(content_type: str) -> dict[str, str]:
    message = Message()
    message["content-type"] = content_type
    found = message.get_params(failobj=[], unquote=True) or []
    return {name.lower(): str(value) for name, value in found[1:]}


def parts(answer: httpx.Response) -> list[Part]:
    """Every part of the body; anything but parts, and any odd delimiter, is an AssertionError."""
    said = answer.headers.get("content-type", "")
    assert said.lower().startswith("multipart/related"), f"{said!r} is no multipart/related"
    boundary = parameters(said).get("boundary")
    assert boundary, f"{said!r} names no boundary"
    _, *middle, last = (b"\r\n" + answer.content).split(b"\r\n--" + boundary.encode())
    assert last.startswith(b"--"), "no closing delimiter"
    return [_part(each) for each in middle]


def _part(text: bytes) -> Part:
    head, blank, body = text.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
    assert blank, "a part without an empty line after its header"
    lines = (line.decode().partition(":") for line in head.split(b"\r\n") if line)
    return Part({name.strip().lower(): value.strip() for name, _, value in lines}, body)


def written(bodies: Sequence[bytes], media_type: str = "application/dicom") -> tuple[bytes, dict[str, str]]:
    """Body and headers of a STOW request."""
    head = f"--{BOUNDARY}\r\nContent-Type: {media_type}\r\n\r\n".encode()
    body = b"".join(head + each + b"\r\n" for each in bodies) + f"--{BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f'multipart/related; type="{media_type}"; boundary={BOUNDARY}'}
