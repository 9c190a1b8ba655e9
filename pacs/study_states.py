"""The states of a study, from its announcement to its report, and how arriving instances change them.

expected → receiving → unread → assigned / reading / on_hold → preliminary → final
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from pacs.errors import IllegalTransition

QUIET_PERIOD = timedelta(seconds=60)
"""A study without a new instance for this long is taken to be complete."""

PATIENT_CONFLICT = "patient_conflict"
"""Flag: instances of this study name another patient than the study's."""
NEW_IMAGES = "new_images"
"""Flag: instances came after the study was complete."""


class State(StrEnum):
    EXPECTED = "expected"
    RECEIVING = "receiving"
    UNREAD = "unread"
    ASSIGNED = "assigned"
    READING = "reading"
    ON_HOLD = "on_hold"
    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDING = "amending"
    CANCELLED = "cancelled"


_MOVES = {
    "expected": "receiving cancelled",
    "receiving": "unread cancelled",
    "unread": "receiving assigned reading on_hold cancelled",
    "assigned": "unread reading cancelled",
    "reading": "unread assigned on_hold preliminary final cancelled",
    "on_hold": "unread reading cancelled",
    "preliminary": "reading final cancelled",
    "final": "amending",
    "amending": "final",
    "cancelled": "",
}
TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {State(state): frozenset(map(State, others.split())) for state, others in _MOVES.items()}
)


def move(state: State, to: State) -> State:
    """`to` when the transition from `state` is legal, else `IllegalTransition`."""
    if to not in TRANSITIONS[state]:
        raise IllegalTransition(f"a study that is {state} cannot become {to}")
    return to


def on_arrival(state: State) -> State:
    """The state after one more instance; states that a reader has set are kept."""
    return move(state, State.RECEIVING) if state in (State.EXPECTED, State.UNREAD) else state


def is_late(state: State) -> bool:
    """Whether an instance that arrives in this state comes after the study was complete."""
    return state not in (State.EXPECTED, State.RECEIVING)


def on_quiet(state: State) -> State:
    """The state once the quiet period has passed without a new instance."""
    return move(state, State.UNREAD) if state is State.RECEIVING else state


def quiet_at(last_received: datetime, quiet_period: timedelta, now: datetime) -> datetime | None:
    """When the quiet period ends; None when it has ended by `now`, or the clock was set back meanwhile."""
    due = last_received + quiet_period
    return due if last_received <= now < due else None
