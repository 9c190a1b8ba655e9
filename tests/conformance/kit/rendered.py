"""Rendered resources and thumbnails (PS3.18 §8.3.5, §10.4.1.1.3, §10.4.1.1.4)."""

from __future__ import annotations

from io import BytesIO

import httpx
from PIL import Image

from tests.conformance.kit.check import Check, Peer, expect, media_type, supported
from tests.conformance.kit.samples import FRAMES, SIDE

_JPEG, _PNG, _GIF = "image/jpeg", "image/png", "image/gif"


def _image(answer: httpx.Response, kind: str = "") -> Image.Image:
    expect(answer, 200, (kind,) if kind else (_JPEG, _PNG, _GIF, "image/webp", "image/jp2"))
    found = Image.open(BytesIO(answer.content))
    assert Image.MIME.get(found.format or "") == media_type(answer), f"{found.format} as {media_type(answer)}"
    return found


def _slice(peer: Peer, query: str = "", accept: str = _PNG) -> httpx.Response:
    return peer.get(f"{peer.samples.slices[0].path}/rendered{query}", accept)


def _grey(image: Image.Image, x: float, y: float) -> int:
    found = image.convert("L").getpixel((int(x * (image.width - 1)), int(y * (image.height - 1))))
    assert isinstance(found, int)
    return found


def instance(peer: Peer) -> str:
    image = _image(supported(_slice(peer, "", _JPEG)), _JPEG)
    assert image.size == (SIDE, SIDE), f"{image.size}"
    assert _grey(image, 0, 0) < _grey(image, 1, 1), "dark and light are exchanged"
    return f"JPEG of {image.width}×{image.height}"


def frames(peer: Peer) -> str:
    greys = []
    for n in (1, 3, 5):
        answer = peer.get(f"{peer.samples.ultrasound.path}/frames/{n}/rendered", _JPEG)
        greys.append(_grey(_image(supported(answer), _JPEG), 0.5, 0.5))
    assert greys[0] < greys[1] < greys[2], f"mean greys {greys} of frames 1, 3, 5"
    return f"greys {greys}"


def series_and_study(peer: Peer) -> str:
    one = peer.samples.slices[0]
    answers = [supported(peer.get(f"{path}/rendered", "*/*")) for path in (one.series_path, one.study_path)]
    return ", ".join(expect(answer, 200) for answer in answers)


def animated(peer: Peer) -> str:
    image = _image(supported(peer.get(f"{peer.samples.ultrasound.path}/rendered", _GIF)), _GIF)
    count = getattr(image, "n_frames", 1)
    assert count == FRAMES, f"{count} frames, not {FRAMES}"
    return f"{count} frames"


def png(peer: Peer) -> str:
    return str(_image(supported(_slice(peer)), _PNG).size)


def window(peer: Peer) -> str:
    """All stored values lie between -1024+1025 and 1+8·62 Hounsfield units."""
    dark = _image(supported(_slice(peer, "?window=3000,100,linear")), _PNG)
    light = _image(supported(_slice(peer, "?window=-3000,100,linear")), _PNG)
    assert (_grey(dark, 1, 1), _grey(light, 0, 0)) == (0, 255), "the window has no effect"
    return "0 below, 255 above"


def viewport(peer: Peer) -> str:
    image = _image(supported(_slice(peer, "?viewport=16,16")), _PNG)
    assert max(image.size) <= 16, f"{image.size} in a viewport of 16,16"
    return f"{image.size}"


def quality(peer: Peer) -> str:
    low, high = (len(supported(_slice(peer, f"?quality={q}", _JPEG)).content) for q in (5, 95))
    assert low < high, f"{low} bytes at 5, {high} at 95"
    return f"{low} and {high} bytes"


def annotation(peer: Peer) -> str:
    return expect(supported(_slice(peer, "?annotation=patient,technique")), 200)


def malformed(peer: Peer) -> str:
    supported(_slice(peer))
    seen = {}
    for query in ("?window=wide,open", "?viewport=0", "?quality=1000"):
        seen[query] = _slice(peer, query).status_code
    assert set(seen.values()) == {400}, f"{seen}"
    return "400"


def refused(peer: Peer) -> str:
    supported(_slice(peer))
    return expect(_slice(peer, "", "text/x-unheard-of"), 406)


def document(peer: Peer) -> str:
    answer = supported(peer.get(f"{peer.samples.pdf.path}/rendered", "application/pdf"))
    seen = expect(answer, 200, "application/pdf")
    assert answer.content.startswith(b"%PDF"), "no PDF"
    return seen


def thumbnails(peer: Peer) -> str:
    one = peer.samples.slices[0]
    sizes = []
    for path in (one.study_path, one.series_path, one.path):
        sizes.append(_image(supported(peer.get(f"{path}/thumbnail", _JPEG))).size)
    return f"{sizes[0]}, {sizes[1]}, {sizes[2]}"


CHECKS = (
    Check("10.4.1.1.3", "an instance as JPEG", instance),
    Check("10.4.1.1.3", "frames by number", frames),
    Check("10.4.1.1.3", "a series and a study", series_and_study),
    Check("8.7.4", "PNG", png),
    Check("8.7.4", "GIF of all frames", animated),
    Check("8.7.4", "406 for other media types", refused),
    Check("8.7.4", "an encapsulated document as what it is", document),
    Check("8.3.5.1.4", "window", window),
    Check("8.3.5.1.3", "viewport", viewport),
    Check("8.3.5.1.2", "quality", quality),
    Check("8.3.5.1.1", "annotation", annotation),
    Check("8.3.5.1", "400 for malformed parameters", malformed),
    Check("10.4.1.1.4", "thumbnails of study, series and instance", thumbnails),
)
