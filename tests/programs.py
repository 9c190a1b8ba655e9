"""Programs of other packages that tests talk to; where one is missing, the skip names what to install."""

from __future__ import annotations

import shutil

import pytest

_PACKAGES = {"curl": "curl", "openssl": "openssl"}  # all others are of DCMTK


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [each for each in programs if shutil.which(each) is None]
    packages = sorted({_PACKAGES.get(each, "dcmtk") for each in missing})
    reason = f"not installed: {', '.join(missing)}; apt-get install {' '.join(packages)}"
    return pytest.mark.skipif(bool(missing), reason=reason)
