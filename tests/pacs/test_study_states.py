"""The states of a study as far as ingest goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pacs.errors import IllegalTransition
from pacs.study_states import TRANSITIONS, State, is_late, move, on_arrival, on_quiet, quiet_at

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("state", State)
def test_every_state_says_where_it_leads(state: State) -> None:
    assert state in TRANSITIONS


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("to", State)
def test_only_what_the_table_allows_is_done(state: State, to: State) -> None:
    if to in TRANSITIONS[state]:
        assert move(state, to) is to
    else:
        with pytest.raises(IllegalTransition):
            move(state, to)


@pytest.mark.parametrize("state", State)
def test_an_instance_or_silence_never_makes_an_illegal_move(state: State) -> None:
    for reached in (on_arrival(state), on_quiet(state)):
        assert reached is state or reached in TRANSITIONS[state]


def test_what_is_late() -> None:
    assert {state for state in State if not is_late(state)} == {State.EXPECTED, State.RECEIVING}


@pytest.mark.parametrize(
    ("last_received", "again"),
    [
        (NOON, NOON + MINUTE),
        (NOON - MINUTE, None),
        (NOON - MINUTE / 2, NOON + MINUTE / 2),
        (NOON + MINUTE / 2, None),
    ],
)
def test_quiet_long_enough(last_received: datetime, again: datetime | None) -> None:
    assert quiet_at(last_received, MINUTE, NOON) == again
