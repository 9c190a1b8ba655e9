"""The one error tree: raise what happened, with its data; each edge translates it once.

A class carries what the wire says of it: `dimse_status` (PS3.7 Annex C; PS3.4 §B.2.3, §C.4), `http_status`,
and `code`, the word in a JSON error body. Its docstring is the message when none is given, so it is written
for the caller. `dimse/status.py`, `pacs/http/problems.py` and, for each instance of a STOW-RS request,
`dicomweb/store/report.py` translate it; nothing else answers with a status.

Messages never hold patient data (law 7). An exception that is no `PacsError` is a bug.
"""

from __future__ import annotations

import errno
from typing import ClassVar


class PacsError(Exception):
    """Something went wrong in the archive."""

    dimse_status: ClassVar[int] = 0x0110  # Processing failure
    http_status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


# The request is at fault


class BadInput(PacsError):
    """What was sent cannot be understood."""

    dimse_status = 0xC000  # Cannot understand
    http_status = 400
    code = "BAD_REQUEST"


class UnknownParameter(BadInput):
    """There is no such parameter."""

    code = "UNKNOWN_PARAMETER"


class Unprocessable(BadInput):
    """The request is well-formed, but something in it is not acceptable."""

    http_status = 422
    code = "UNPROCESSABLE"


class UnsupportedMediaType(BadInput):
    """This media type is not supported here."""

    http_status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class UnsupportedEncoding(UnsupportedMediaType):
    """The body has a Content-Encoding, which is not supported: send it as it is."""


class Stalled(BadInput):
    """The rest of the request did not come in time."""

    http_status = 408
    code = "REQUEST_TIMEOUT"


class WeakPassword(BadInput):
    """The password is too easy to guess."""

    http_status = 422
    code = "WEAK_PASSWORD"


class InvalidDataSet(BadInput):
    """The data set is not valid DICOM."""


class CutShort(InvalidDataSet):
    """It ends within its pixel data: send the complete object."""

    code = "CUT_SHORT"


class MissingIdentity(InvalidDataSet):
    """SOP Class, SOP Instance, Series or Study Instance UID is missing or malformed."""

    dimse_status = 0xA900  # Data Set does not match SOP Class
    code = "MISSING_IDENTITY"


class DataSetMismatch(BadInput):
    """The data set does not match the SOP Class or SOP Instance that the command names."""

    dimse_status = 0xA900  # Data Set does not match SOP Class
    http_status = 409
    code = "DATA_SET_MISMATCH"


class LimitExceeded(BadInput):
    """The data set exceeds a limit of this archive."""

    dimse_status = 0xC001  # Cannot understand
    http_status = 413
    code = "LIMIT_EXCEEDED"


class FileTooLarge(LimitExceeded):
    """The file is larger than this archive accepts."""

    code = "FILE_TOO_LARGE"


class InvalidQuery(BadInput):
    """The query's identifier does not match the SOP Class or has an unusable value."""

    dimse_status = 0xA900  # Identifier does not match SOP Class
    code = "INVALID_QUERY"

    def __init__(self, message: str = "", offending: int | None = None) -> None:
        """`offending`: the tag of the key at fault."""
        super().__init__(message)
        self.offending = offending


class QueryTooCostly(BadInput):
    """The query would read too much of the database: add a matching key or a date range."""

    dimse_status = 0xA700  # Out of resources
    http_status = 413
    code = "QUERY_TOO_COSTLY"


# What was requested does not exist, or is not possible


class NotFound(PacsError):
    """There is no such thing here."""

    dimse_status = 0x0112  # No such SOP Instance
    http_status = 404
    code = "NOT_FOUND"


class UnknownDestination(NotFound):
    """The move destination is not a registered application entity."""

    dimse_status = 0xA801  # Move Destination unknown
    code = "UNKNOWN_DESTINATION"


class ChangesGone(PacsError):
    """These changes are no longer known."""

    http_status = 410
    code = "CHANGES_GONE"

    def __init__(self, seq: int = 0) -> None:
        """`seq`: the number of the last change that is gone."""
        super().__init__(f"These changes are no longer known; go on with after={seq}." if seq else "")
        self.seq = seq


class Conflict(PacsError):
    """That contradicts what is already there."""

    dimse_status = 0x0111  # Duplicate SOP Instance
    http_status = 409
    code = "CONFLICT"


class IllegalTransition(Conflict):
    """This is not possible in the present state."""

    code = "ILLEGAL_TRANSITION"


class NotConvertible(PacsError):
    """The stored encoding cannot be converted without loss to one that the peer accepts."""

    dimse_status = 0xA900  # Data Set does not match SOP Class
    http_status = 406
    code = "NOT_CONVERTIBLE"


class NotAcceptable(PacsError):
    """No representation in an accepted media type exists for this resource."""

    http_status = 406
    code = "NOT_ACCEPTABLE"


class PreconditionFailed(PacsError):
    """It has changed since the state that If-Match names: read it again."""

    http_status = 412
    code = "PRECONDITION_FAILED"


class RangeNotSatisfiable(PacsError):
    """No byte lies in that range."""

    http_status = 416
    code = "RANGE_NOT_SATISFIABLE"

    def __init__(self, size: int = 0) -> None:
        """`size`: bytes of the whole body."""
        super().__init__()
        self.size = size


# The caller may not do this


class Unauthenticated(PacsError):
    """This needs a valid token or a signed-in session."""

    http_status = 401
    code = "UNAUTHENTICATED"


class TokenExpired(Unauthenticated):
    """The token has expired; sign in again."""

    code = "TOKEN_EXPIRED"


class InvalidCredentials(Unauthenticated):
    """The e-mail address or the password is wrong."""

    code = "INVALID_CREDENTIALS"


class TooManyAttempts(PacsError):
    """Too many failed attempts; try again later."""

    http_status = 429
    code = "TOO_MANY_ATTEMPTS"

    def __init__(self, message: str = "", retry_after: int = 60) -> None:
        """`retry_after`: seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(PacsError):
    """This needs a right that the caller does not have."""

    dimse_status = 0x0124  # Not authorized
    http_status = 403
    code = "FORBIDDEN"


class CsrfMissing(Forbidden):
    """A change by a browser's session needs the header X-CSRF-Token."""

    code = "CSRF"


class PasswordChangeRequired(Forbidden):
    """The one-time password must be changed first."""

    code = "PASSWORD_CHANGE_REQUIRED"


# The archive is at fault, or cannot do it at the moment


class Unavailable(PacsError):
    """The archive cannot do this now; try again later."""

    dimse_status = 0xA700  # Out of resources
    http_status = 503
    code = "UNAVAILABLE"


class StorageFull(Unavailable):
    """Out of storage space."""

    http_status = 507
    code = "STORAGE_FULL"


DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Values of `OSError.errno` that mean `StorageFull`."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "DATABASE_UNAVAILABLE"


class DatabaseDamaged(DatabaseUnavailable):
    """The database file is damaged or not a database; restore a backup."""


class WrongStore(Unavailable):
    """The stored objects are not where they should be: is their disk or share mounted?"""


class BlobVanishing(Unavailable):
    """An unused copy of it is being removed at this moment: send it again."""


class Damaged(PacsError):
    """A stored object's bytes are missing or no longer what was stored."""

    code = "INTEGRITY"
