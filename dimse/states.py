"""The state table of the upper layer (PS3.8 §9.2, Table 9-10), with the standard's own names.

Left out is what cannot occur here, as the program holds a connected socket: waiting for the transport
(Sta4, Evt1, Evt2, Evt5), the ARTIM timer (Evt18: the driver aborts or closes after its own timeout), and
refusal by the provider within AE-6, which negotiation decides.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

SERVICE_USER, SERVICE_PROVIDER = 0, 2
"""Sources of an A-ABORT (PS3.8 §9.3.8); only the latter gives a reason."""


class State(Enum):
    """PS3.8 Tables 9-1 to 9-5."""

    STA1 = "idle"
    STA2 = "transport open, awaiting A-ASSOCIATE-RQ"
    STA3 = "awaiting our answer to A-ASSOCIATE-RQ"
    STA5 = "awaiting A-ASSOCIATE-AC or -RJ"
    STA6 = "established"
    STA7 = "awaiting A-RELEASE-RP"
    STA8 = "awaiting our answer to A-RELEASE-RQ"
    STA9 = "release collision, requestor: awaiting our answer"
    STA10 = "release collision, acceptor: awaiting A-RELEASE-RP"
    STA11 = "release collision, requestor: awaiting A-RELEASE-RP"
    STA12 = "release collision, acceptor: awaiting our answer"
    STA13 = "awaiting the transport's end"


class Cause(Enum):
    """The events of PS3.8 Table 9-10, which cause transitions."""

    ACCEPT_RECEIVED = "Evt3"
    REJECT_RECEIVED = "Evt4"
    REQUEST_RECEIVED = "Evt6"
    ACCEPT = "Evt7"
    REJECT = "Evt8"
    DATA = "Evt9"
    DATA_RECEIVED = "Evt10"
    RELEASE = "Evt11"
    RELEASE_RECEIVED = "Evt12"
    RELEASE_REPLY_RECEIVED = "Evt13"
    RELEASE_REPLY = "Evt14"
    ABORT = "Evt15"
    ABORT_RECEIVED = "Evt16"
    CLOSED = "Evt17"
    INVALID_RECEIVED = "Evt19"


class Action(NamedTuple):
    """PS3.8 Tables 9-6 to 9-9. `aborts`: we send A-ABORT, with this source; `indicates`: the local user is
    notified."""

    name: str
    next: State
    aborts: int | None = None
    indicates: bool = True


AE_3 = Action("AE-3", State.STA6)
AE_4 = Action("AE-4", State.STA1)
AE_6 = Action("AE-6", State.STA3)
AE_7 = Action("AE-7", State.STA6)
AE_8 = Action("AE-8", State.STA13)
DT_1 = Action("DT-1", State.STA6)
DT_2 = Action("DT-2", State.STA6)
AR_1 = Action("AR-1", State.STA7)
AR_2 = Action("AR-2", State.STA8)
AR_3 = Action("AR-3", State.STA1)
AR_4 = Action("AR-4", State.STA13)
AR_5 = Action("AR-5", State.STA1)
AR_6 = Action("AR-6", State.STA7)
AR_7 = Action("AR-7", State.STA8)
AR_8_REQUESTOR = Action("AR-8", State.STA9)
AR_8_ACCEPTOR = Action("AR-8", State.STA10)
AR_9 = Action("AR-9", State.STA11)
AR_10 = Action("AR-10", State.STA12)
AA_1 = Action("AA-1", State.STA13, aborts=SERVICE_USER)
AA_2 = Action("AA-2", State.STA1)
AA_3 = Action("AA-3", State.STA1)
AA_4 = Action("AA-4", State.STA1)
AA_5 = Action("AA-5", State.STA1)
AA_6 = Action("AA-6", State.STA13, indicates=False)
AA_7 = Action("AA-7", State.STA13, aborts=SERVICE_PROVIDER, indicates=False)
AA_8 = Action("AA-8", State.STA13, aborts=SERVICE_PROVIDER)

_RECEIVED = (
    Cause.ACCEPT_RECEIVED,
    Cause.REJECT_RECEIVED,
    Cause.REQUEST_RECEIVED,
    Cause.DATA_RECEIVED,
    Cause.RELEASE_RECEIVED,
    Cause.RELEASE_REPLY_RECEIVED,
    Cause.INVALID_RECEIVED,
)
_OPEN: dict[Cause, Action] = {
    **dict.fromkeys(_RECEIVED, AA_8),
    Cause.ABORT: AA_1,
    Cause.ABORT_RECEIVED: AA_3,
    Cause.CLOSED: AA_4,
}
"""Transitions common to all states with a requested or established association."""

TRANSITIONS: dict[State, dict[Cause, Action]] = {
    State.STA1: {},
    State.STA2: {
        **dict.fromkeys(_RECEIVED, AA_1),
        Cause.REQUEST_RECEIVED: AE_6,
        Cause.ABORT_RECEIVED: AA_2,
        Cause.CLOSED: AA_5,
    },
    State.STA3: {**_OPEN, Cause.ACCEPT: AE_7, Cause.REJECT: AE_8},
    State.STA5: {**_OPEN, Cause.ACCEPT_RECEIVED: AE_3, Cause.REJECT_RECEIVED: AE_4},
    State.STA6: {
        **_OPEN,
        Cause.DATA: DT_1,
        Cause.DATA_RECEIVED: DT_2,
        Cause.RELEASE: AR_1,
        Cause.RELEASE_RECEIVED: AR_2,
    },
    State.STA7: {
        **_OPEN,
        Cause.DATA_RECEIVED: AR_6,
        Cause.RELEASE_RECEIVED: AR_8_REQUESTOR,
        Cause.RELEASE_REPLY_RECEIVED: AR_3,
    },
    State.STA8: {**_OPEN, Cause.DATA: AR_7, Cause.RELEASE_REPLY: AR_4},
    State.STA9: {**_OPEN, Cause.RELEASE_REPLY: AR_9},
    State.STA10: {**_OPEN, Cause.RELEASE_REPLY_RECEIVED: AR_10},
    State.STA11: {**_OPEN, Cause.RELEASE_REPLY_RECEIVED: AR_3},
    State.STA12: {**_OPEN, Cause.RELEASE_REPLY: AR_4},
    State.STA13: {
        **dict.fromkeys(_RECEIVED, AA_6),
        Cause.REQUEST_RECEIVED: AA_7,
        Cause.INVALID_RECEIVED: AA_7,
        Cause.ABORT_RECEIVED: AA_2,
        Cause.CLOSED: AR_5,
    },
}
