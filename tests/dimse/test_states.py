"""Our table against pynetdicom's copy of PS3.8 Table 9-10."""

from __future__ import annotations

from pynetdicom.fsm import TRANSITION_TABLE

from dimse.states import TRANSITIONS

_NOT_OURS = {"Evt1", "Evt2", "Evt5", "Evt18"}  # see the docstring of dimse.states


def test_is_the_standards_table() -> None:
    ours = {
        (cause.value, state.name): action.name
        for state, row in TRANSITIONS.items()
        for cause, action in row.items()
    }
    standards = {
        (event, state.upper()): action
        for (event, state), action in TRANSITION_TABLE.items()
        if event not in _NOT_OURS and state != "Sta4"
    }
    assert ours == standards
