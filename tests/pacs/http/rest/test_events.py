"""Live events: one look for all listeners, replay from a number, an end at shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from pacs.errors import ChangesGone, DatabaseUnavailable, Unavailable
from pacs.feed import Change
from pacs.http.app import create_app
from pacs.http.rest import changes, events
from pacs.http.rest.broadcast import PAGE, Audience, Broadcast


class Feed:
    """A change feed in memory."""

    def __init__(self) -> None:
        self.changes: dict[int, list[Change]] = {}
        self.reads = self.looks = self.gone = 0
        self.away = self.unreadable = self.late = False
        self.fault: Exception | None = None

    def add(self, organization: int = 1, count: int = 1) -> None:
        known = self.changes.get(organization, [])
        numbers = range(len(known) + 1, len(known) + 1 + count)
        now = datetime.now(UTC)
        new = [Change(number, now, "study.received", "1.2.3", {}, "c") for number in numbers]
        self.changes[organization] = known + new  # all at once: a thread reads it

    def read(self, organization: int, after: int | None, limit: int) -> list[Change]:
        self.reads += 1
        if self.unreadable:
            raise DatabaseUnavailable
        if after is not None and after < self.gone:
            raise ChangesGone(self.gone)
        if after is not None and after > len(self.changes.get(organization, ())):
            raise ChangesGone(len(self.changes.get(organization, ())))
        begin = max(after or 0, self.gone)
        return self.changes.get(organization, [])[begin : begin + limit]

    def heads(self, organizations: Iterable[int]) -> dict[int, int]:
        self.looks += 1
        if self.fault and self.looks > 2:
            raise self.fault
        if self.away and self.looks > 2:
            self.away = False
            raise DatabaseUnavailable
        return {each: 0 if self.late else len(self.changes.get(each, ())) for each in organizations}


async def first(broadcast: Broadcast, count: int, after: int | None, organization: int = 1) -> list[int]:
    seen: list[int] = []
    async for change in broadcast.listen(organization, after):
        if change is not None:
            seen.append(change.seq)
            if len(seen) == count:
                break
    return seen


async def joined(broadcast: Broadcast, count: int, organization: int = 1) -> None:
    while broadcast.listeners(organization) < count:
        await asyncio.sleep(0.01)


def quick(feed: Feed) -> Broadcast:
    return Broadcast(feed, lambda: False, pause=0.01, silence=0.05)


def test_many_listeners_share_one_read() -> None:
    async def scenario() -> tuple[list[list[int]], int]:
        feed = Feed()
        feed.add(count=3)
        broadcast = quick(feed)
        listening = [asyncio.create_task(first(broadcast, 2, None)) for _ in range(100)]
        await joined(broadcast, 100)
        feed.add(count=2)
        return await asyncio.gather(*listening), feed.reads

    seen, reads = asyncio.run(scenario())
    assert seen == [[4, 5]] * 100
    assert reads == 1


def test_replay_is_whole_however_long_ago_it_begins() -> None:
    async def scenario() -> list[int]:
        feed = Feed()
        feed.add(count=2 * PAGE + 7)
        broadcast = quick(feed)
        seen = asyncio.create_task(first(broadcast, 2 * PAGE + 10, 0))
        await joined(broadcast, 1)
        feed.add(count=3)
        return await seen

    assert asyncio.run(scenario()) == list(range(1, 2 * PAGE + 11))


def test_a_reader_from_before_the_known_changes_is_told() -> None:
    async def scenario() -> list[object]:
        feed = Feed()
        feed.add(count=7)
        feed.gone = 4
        seen: list[object] = []
        async for change in quick(feed).listen(1, 2):
            seen.append(type(change) if isinstance(change, ChangesGone) else change and change.seq)
            if change and change.seq == 7:
                return seen
        return seen

    assert asyncio.run(scenario()) == [ChangesGone, 5, 6, 7]


def test_a_follower_hears_what_went_while_nobody_looked() -> None:
    async def scenario() -> list[object]:
        feed = Feed()
        feed.add(count=2)
        broadcast, seen = quick(feed), []
        listening = broadcast.listen(1, 1)
        seen.append(await anext(listening))
        feed.gone = 5
        feed.add(count=5)
        async for change in listening:
            seen.append(change)
            if isinstance(change, Change) and change.seq == 7:
                break
        return [type(each) if isinstance(each, ChangesGone) else each.seq for each in seen if each]

    assert asyncio.run(scenario()) == [2, ChangesGone, 6, 7]


def test_an_organisation_hears_only_of_itself() -> None:
    async def scenario() -> tuple[list[int], list[Change | ChangesGone | None]]:
        feed = Feed()
        feed.add(2, 4)
        broadcast = quick(feed)
        mine = [change async for change in _some(broadcast, 1)]
        return await first(broadcast, 4, 0, organization=2), mine

    seen, mine = asyncio.run(scenario())
    assert (seen, mine) == ([1, 2, 3, 4], [None, None])


async def _some(broadcast: Broadcast, organization: int) -> AsyncIterator[Change | ChangesGone | None]:
    count = 0
    async for change in broadcast.listen(organization, 0):
        yield change
        count += 1
        if count == 2:
            return


def test_a_reader_that_saw_more_in_another_process_sees_nothing_twice() -> None:
    async def scenario() -> list[int]:
        feed = Feed()
        broadcast = Broadcast(feed, lambda: False, pause=0.01, silence=60)
        others = asyncio.create_task(first(broadcast, 3, None))
        await joined(broadcast, 1)
        feed.late = True
        feed.add(count=2)
        listening = asyncio.create_task(first(broadcast, 1, after=2))
        await joined(broadcast, 2)
        feed.late = False
        feed.add()
        return [*await listening, *await others]

    assert asyncio.run(scenario()) == [3, 1, 2, 3]


def test_a_reader_that_saw_more_than_there_is_goes_on_from_there() -> None:
    async def scenario() -> list[int]:
        feed, seen = Feed(), list[int]()
        feed.add(count=3)
        broadcast = Broadcast(feed, lambda: False, pause=0.01, silence=60)
        async for change in broadcast.listen(1, after=9):
            assert isinstance(change, Change if seen else ChangesGone)
            seen.append(change.seq)
            if len(seen) == 2:
                break
            feed.add()
        return seen

    assert asyncio.run(scenario()) == [3, 4]


def test_a_database_that_went_away_is_waited_for() -> None:
    async def scenario() -> list[int]:
        feed = Feed()
        broadcast = quick(feed)
        listening = asyncio.create_task(first(broadcast, 1, None))
        await joined(broadcast, 1)
        feed.looks, feed.away = 2, True
        while feed.away:
            await asyncio.sleep(0.01)
        feed.add()
        return await listening

    assert asyncio.run(scenario()) == [1]


def test_a_bug_of_ours_ends_nobodys_stream(said: Callable[[], str]) -> None:
    async def scenario() -> list[int]:
        feed = Feed()
        broadcast = quick(feed)
        listening = asyncio.create_task(first(broadcast, 1, None))
        while feed.looks < 2:
            await asyncio.sleep(0.01)
        feed.fault = ValueError("a bug")
        seen = feed.looks
        while feed.looks < seen + 3:
            await asyncio.sleep(0.01)
        feed.fault = None
        feed.add()
        return await listening

    assert asyncio.run(scenario()) == [1]
    assert said().count("change feed unavailable") == 1


def test_only_so_many_may_listen() -> None:
    broadcast = Broadcast(Feed(), lambda: False, Audience(of_one=2, of_all=3))
    leave, _ = broadcast.enter(1), broadcast.enter(1)
    with pytest.raises(Unavailable):
        broadcast.enter(1)
    leave_theirs = broadcast.enter(2)  # others have their own places
    with pytest.raises(Unavailable):
        broadcast.enter(3)
    leave()
    broadcast.enter(3)
    with pytest.raises(Unavailable):
        broadcast.enter(1)
    leave_theirs()
    broadcast.enter(1)


def test_a_stream_that_ended_leaves_its_place() -> None:
    broadcast = Broadcast(Feed(), lambda: True, Audience(of_one=1))
    served = TestClient(create_app({}, {}, [events.route("/events", broadcast)]))
    assert [served.get("/events").status_code for _ in range(3)] == [200, 200, 200]
    assert served.get("/events?after=x").status_code == 400
    assert served.get("/events").status_code == 200


def test_a_head_request_is_not_kept_open() -> None:
    broadcast = Broadcast(Feed(), lambda: False)
    answer = TestClient(create_app({}, {}, [events.route("/events", broadcast)])).head("/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_caller_without_a_place_is_told_when_to_come_back() -> None:
    broadcast = Broadcast(Feed(), lambda: True, Audience(of_one=0))
    answer = TestClient(create_app({}, {}, [events.route("/events", broadcast)])).get("/events")
    assert answer.status_code == 503 and answer.headers["Retry-After"]


def test_a_stream_that_cannot_be_read_on_ends_well() -> None:
    feed = Feed()
    feed.add()
    feed.unreadable = True
    answer = client(feed).get("/events", headers={"Last-Event-ID": "0"})
    assert (answer.status_code, answer.text) == (200, "retry: 2000\n\n")


def test_listeners_go_when_the_server_stops_and_nobody_looks_any_more() -> None:
    async def scenario() -> tuple[list[int], int, int]:
        feed, stop = Feed(), asyncio.Event()
        broadcast = Broadcast(feed, stop.is_set, pause=0.01, silence=60)
        listening = asyncio.create_task(first(broadcast, 1, None))
        await joined(broadcast, 1)
        stop.set()
        seen = await asyncio.wait_for(listening, 60)
        looks = feed.looks
        await asyncio.sleep(0.05)
        return seen, looks, feed.looks

    seen, looks, later = asyncio.run(scenario())
    assert seen == [] and looks == later


def client(feed: Feed, stopping: bool = False) -> TestClient:
    broadcast = Broadcast(feed, lambda: stopping, pause=0.01, silence=0.05)
    return TestClient(
        create_app({}, {}, [changes.route("/changes", feed), events.route("/events", broadcast)])
    )


def test_changes_are_paged_by_number() -> None:
    feed = Feed()
    feed.add(count=5)
    answer = client(feed).get("/changes?after=1&limit=2").json()
    assert ([item["seq"] for item in answer["items"]], answer["last"], answer["more"]) == ([2, 3], 3, True)
    assert answer["items"][0]["at"].endswith("Z")
    answer = client(feed).get("/changes?after=5").json()
    assert answer == {"items": [], "last": 5, "more": False}


def test_what_cannot_be_understood_is_refused() -> None:
    for query in ("after=-1", "after=x", "limit=0", "limit=1001", "after=1&after=2", "afer=1"):
        answer = client(Feed()).get(f"/changes?{query}")
        assert answer.status_code == 400, query
    assert answer.json()["code"] == "UNKNOWN_PARAMETER"
    assert client(Feed()).get("/events", headers={"Last-Event-ID": "x"}).status_code == 400


def test_the_stream_begins_at_once_and_says_when_to_come_back() -> None:
    answer = client(Feed(), stopping=True).get("/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text == "retry: 2000\n\n"
