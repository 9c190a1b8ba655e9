"""Guessing passwords takes no more of the server than it was given."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

from starlette.requests import Request
from starlette.types import Message

from pacs.errors import InvalidCredentials, Unavailable
from pacs.http.rest.sign_in import HASHING_AT_ONCE, HASHING_LATER, AuthResources
from pacs.http.sessions import Sessions
from pacs.sign_in import SignIn


class Slow:
    def __init__(self) -> None:
        self.go = threading.Event()
        self.at_work = self.most = 0
        self.lock = threading.Lock()

    def begin(self, *given: Any) -> None:
        with self.lock:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        self.go.wait(60)
        with self.lock:
            self.at_work -= 1
        raise InvalidCredentials


def request() -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": b'{"email": "a@b.c", "password": "guess"}'}

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "headers": headers, "state": {"correlation_id": "x"}}
    return Request(scope, receive)


def test_when_many_sign_in_another_is_told_to_come_again() -> None:
    slow = Slow()
    resources = AuthResources(cast(SignIn, slow), cast(Sessions, object()))

    async def run() -> list[BaseException | Any]:
        most = HASHING_AT_ONCE + HASHING_LATER
        callers = [asyncio.create_task(resources.login(request())) for _ in range(most + 3)]
        while sum(caller.done() for caller in callers) < 3 or slow.at_work < HASHING_AT_ONCE:
            await asyncio.sleep(0.01)
        slow.go.set()
        return await asyncio.gather(*callers, return_exceptions=True)

    ends = [type(end) for end in asyncio.run(asyncio.wait_for(run(), 60))]
    assert ends.count(Unavailable) == 3
    assert ends.count(InvalidCredentials) == HASHING_AT_ONCE + HASHING_LATER
    assert slow.most == HASHING_AT_ONCE
