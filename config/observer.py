"""Observes the DIMSE edge: counts for `/metrics`, writes refusals to the security log."""

from __future__ import annotations

import structlog

from pacs.actor import Actor
from pacs.metrics import ASSOCIATIONS, DIMSE_OPERATIONS

security = structlog.get_logger("security")
log = structlog.get_logger(__name__)

_NOT_AUTHORISED = 0x0124


class DimseMetrics:
    """Implements `dimse.serving.Observer`."""

    def association(self, change: int) -> None:
        ASSOCIATIONS.inc(change)

    def refused(self, calling: str, called: str, address: str, reason: str) -> None:
        security.warning(
            "association rejected", calling=calling[:16], called=called[:16], address=address, reason=reason
        )

    def operation(self, actor: Actor, name: str, status: int, seconds: float) -> None:
        DIMSE_OPERATIONS.labels(name.replace("_", "-"), f"{status:04X}").inc()
        if status == _NOT_AUTHORISED:
            security.warning("operation refused", operation=name, ae=actor.name, address=actor.address)
        log.debug("operation", operation=name, status=f"{status:04X}", seconds=round(seconds, 6))
