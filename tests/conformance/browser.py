"""Headless Chromium, as the pages' tests drive it; every fault that it reports is a failed test."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _BROWSERS)), None)
"""The headless shell, where it is: it takes a third of the processor time of a whole browser."""

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not here: install the package chromium"
)


@contextmanager
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not here: pip install playwright"
    )
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=2 * PATIENCE * 1000
        )
        yield started
        started.close()


@contextmanager
def page(started: Any, url: str, **settings: Any) -> Iterator[Any]:
    """A page at `url` in a profile of its own. Faults in it raise at the end, what the policy refused too."""
    context = started.new_context(
        **{"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", "reduced_motion": "reduce"}
        | settings
    )
    context.set_default_timeout(PATIENCE * 1000)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(_text(message)) if _is_fault(message) else None)
    opened.goto(url)
    yield opened
    context.close()
    assert faults == []


def _is_fault(message: Any) -> bool:
    """Chromium logs what is expected, too: nothing has no thumbnail, a 401 before signing in, no server."""
    expected = message.location.get("url", "").endswith(("/thumbnail", "/auth/me", "/auth/login"))
    away = "net::ERR_CONNECTION_REFUSED" in message.text
    return message.type == "error" and not expected and not away


def _text(message: Any) -> str:
    return f"{message.text} ({message.location.get('url')})"


PATIENCE = 90.0
"""Seconds for what must come to be seen."""

PICTURE = """() => {
  const canvas = document.querySelector('.pane canvas');
  const side = Math.min(canvas.width, canvas.height);
  const [left, top] = [(canvas.width - side) / 2, (canvas.height - side) / 2];
  const image = canvas.getContext('2d').getImageData(left, top, side, side);
  let sum = 0;
  for (let at = 0; at < image.data.length; at += 4) sum += image.data[at];
  return sum / (side * side);
}"""
"""Mean of red (of gray, in a gray image) over a square picture that fits the first pane."""


def until(opened: Any, wanted: str | Callable[[], object]) -> None:
    """Waits for an expression of the page, or a condition of the test, to be true.

    `wait_for_function` would need a policy that allows `eval`.
    """
    end = time.monotonic() + PATIENCE
    while not (opened.evaluate(wanted) if isinstance(wanted, str) else wanted()):
        assert time.monotonic() < end, f"never came true: {wanted}"
        opened.wait_for_timeout(20)


def module(opened: Any, path: str, expression: str) -> Any:
    """An expression over `m`, a module of the pages."""
    base = opened.get_attribute("link[rel=icon]", "href").rsplit("/", 1)[0]
    return opened.evaluate(f"import('{base}/{path}').then(m => {expression})")


def picture_drawn(opened: Any) -> None:
    until(opened, "Boolean(document.querySelector('.pane canvas')?.dataset.image)")
    painted(opened)


def another_drawn(opened: Any, before: str) -> None:
    """Another picture than `before`, as `picture` calls it, lies in the first pane."""
    until(
        opened,
        f"![undefined, '', '{before}'].includes(document.querySelector('.pane canvas')?.dataset.image)",
    )
    painted(opened)


def picture(opened: Any) -> str:
    return str(opened.evaluate("document.querySelector('.pane canvas').dataset.image"))


def painted(opened: Any) -> None:
    """What was rendered has been drawn: its effects come after a frame, and may ask for another."""
    frame = "new Promise((seen) => requestAnimationFrame(() => setTimeout(seen)))"
    opened.evaluate(f"async () => {{ for (let turn = 0; turn < 3; turn++) await {frame}; }}")


def mean(opened: Any) -> float:
    return float(opened.evaluate(PICTURE))
