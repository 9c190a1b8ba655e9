"""Messages for operational errors (a full disk, an unavailable database) that say what to do next."""

from __future__ import annotations

from pathlib import Path

from pacs.errors import StorageFull, Unavailable


def message(error: Exception, folder: Path | str = "the data folder") -> str:
    """The message for an error of the archive or the operating system."""
    about = str(error)
    if isinstance(error, OSError):
        about = described(error)
    if isinstance(error, Unavailable | OSError):
        about = about.removesuffix(".") + "."
    if isinstance(error, StorageFull):
        return f"{about} Free some on the disk of {folder}, or on the database's, and try again."
    if isinstance(error, Unavailable | OSError):
        return f"{about} `pacs doctor` says what is wrong and what to do."
    return about


def described(error: OSError) -> str:
    """What the system says, and of which file, without the number of the error."""
    return ": ".join(str(each) for each in (error.strerror or error, error.filename) if each)
