"""The DICOM conformance statement of an installation with its settings as they come."""

from __future__ import annotations

import pacs
from config.settings import Settings
from dimse.conformance import Described, conformance_statement

_DEFAULTS = Settings.model_fields


def statement() -> str:
    """Markdown."""
    return conformance_statement(
        Described(
            version=pacs.__version__,
            ae_title=_DEFAULTS["ae_title"].default,
            max_answers=_DEFAULTS["max_find_answers"].default,
        )
    )
