"""The ways in which an association ends early. Raised where it is noticed, caught once on each side."""

from __future__ import annotations

from dimse.associate import AssociateReject


class AssociationEnded(Exception):
    """The association is over."""


class Released(AssociationEnded):
    """The peer has released the association in order (PS3.8 §7.2)."""


class Rejected(AssociationEnded):
    """The association request was rejected."""

    def __init__(self, reject: AssociateReject) -> None:
        super().__init__(reject.cause)
        self.reject = reject


class Aborted(AssociationEnded):
    """The peer has aborted the association."""


class ConnectionLost(AssociationEnded):
    """The transport connection is gone."""


class TimedOut(AssociationEnded):
    """The peer was silent for too long."""


class Violation(AssociationEnded):
    """The peer broke the protocol; it was sent an A-ABORT."""


class Draining(AssociationEnded):
    """The server stops, and no message is under way."""
