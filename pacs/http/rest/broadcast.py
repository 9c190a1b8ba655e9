"""Delivers the change feed to all listeners of one process with a single database poll.

While there are listeners, the organisations' newest numbers are polled every `PAUSE`; new changes are
read once and handed to every listener. A listener that is behind, or reconnects, reads from the
database. An idle listener costs little but its connection, so their number is bounded.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog

from pacs.errors import ChangesGone, Unavailable
from pacs.feed import Change
from pacs.http.threads import REQUESTS
from pacs.ports import ChangeFeed

log = structlog.get_logger(__name__)

PAUSE = 0.4  # seconds
SILENCE = 15.0  # seconds without changes after which a listener gets a sign of life
PAGE = 500  # changes read at once, and kept for listeners that come a little later


@dataclass(frozen=True, slots=True)
class Audience:
    """Bounds on listeners: of one organisation, and of all together."""

    of_one: int = 500
    of_all: int = 1000


@dataclass
class _Channel:
    """The listeners of one organisation. `recent` ends with the change numbered `head`."""

    head: int
    recent: deque[Change] = field(default_factory=lambda: deque(maxlen=PAGE))
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: int = 0

    def extend(self, changes: list[Change]) -> None:
        if changes:
            self.recent.extend(changes)
            self.head = changes[-1].seq
            self.wake()

    def skip(self, seq: int) -> None:
        """The changes up to `seq` were removed; each listener learns so when it continues."""
        self.recent.clear()
        self.head = seq

    def wake(self) -> None:
        self.moved.set()
        self.moved = asyncio.Event()

    def after(self, seq: int) -> list[Change]:
        """The changes after `seq`; `[]` when they are no longer in memory."""
        if not self.recent or self.recent[0].seq > seq + 1:
            return []
        return [change for change in self.recent if change.seq > seq]


class Broadcast:
    """`stopping`: whether the server is shutting down, which ends all listeners."""

    def __init__(
        self,
        feed: ChangeFeed,
        stopping: Callable[[], bool],
        audience: Audience | None = None,
        pause: float = PAUSE,
        silence: float = SILENCE,
    ) -> None:
        self._feed = feed
        self._stopping = stopping
        self._audience = audience or Audience()
        self._pause = pause
        self._silence = silence
        self._places = Counter[int]()
        self._channels: dict[int, _Channel] = {}
        self._poller: asyncio.Task[None] | None = None

    def listeners(self, organization: int) -> int:
        channel = self._channels.get(organization)
        return channel.listeners if channel else 0

    def enter(self, organization: int) -> Callable[[], None]:
        """Take a listener's place; the returned function gives it back. `Unavailable` when all are taken."""
        of_one, of_all = self._places[organization], self._places.total()
        if of_one >= self._audience.of_one or of_all >= self._audience.of_all:
            raise Unavailable("too many listeners to events; try again soon")
        self._places[organization] += 1
        return partial(self._leave, organization)

    def _leave(self, organization: int) -> None:
        self._places[organization] -= 1
        self._places = +self._places  # drops organisations without listeners

    async def listen(
        self, organization: int, after: int | None
    ) -> AsyncIterator[Change | ChangesGone | None]:
        """The changes after `after`, or from now on; None after `SILENCE` without changes.

        A `ChangesGone` is yielded in place of changes that are no longer kept.
        """
        async with self._joined(organization) as channel:
            seq = channel.head if after is None else after
            unknown = seq > channel.head  # as yet, or never to come
            while not self._stopping():
                if seq < channel.head or unknown:
                    unknown = False
                    for change in await self._behind(organization, channel, seq):
                        seq = change.seq
                        yield change
                    continue
                try:
                    await asyncio.wait_for(channel.moved.wait(), self._silence)
                except TimeoutError:
                    yield None

    async def _behind(self, organization: int, channel: _Channel, seq: int) -> Sequence[Change | ChangesGone]:
        try:
            return channel.after(seq) or await REQUESTS.run(self._feed.read, organization, seq, PAGE)
        except ChangesGone as gone:
            return [gone]

    @asynccontextmanager
    async def _joined(self, organization: int) -> AsyncIterator[_Channel]:
        heads = await REQUESTS.run(self._feed.heads, [organization])
        channel = self._channels.setdefault(organization, _Channel(heads.get(organization, 0)))
        channel.listeners += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            yield channel
        finally:
            channel.listeners -= 1
            if not channel.listeners:
                del self._channels[organization]

    async def _poll(self) -> None:
        """Never raises, as all listeners depend on it; a failure is logged once until it is over."""
        away = False
        while self._channels and not self._stopping():
            try:
                await self._look()
                away = False
            except Exception as error:
                if not away:
                    known = isinstance(error, Unavailable)
                    log.warning("change feed unavailable", reason=type(error).__name__, exc_info=not known)
                away = True
            await asyncio.sleep(self._pause)
        for channel in self._channels.values():
            channel.wake()

    async def _look(self) -> None:
        heads = await REQUESTS.run(self._feed.heads, list(self._channels))
        for organization, channel in list(self._channels.items()):
            if heads.get(organization, 0) > channel.head:
                try:
                    new = await REQUESTS.run(self._feed.read, organization, channel.head, PAGE)
                except ChangesGone as gone:
                    channel.skip(gone.seq)
                else:
                    channel.extend(new)
