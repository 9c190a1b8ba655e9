"""Where DICOMweb serves a study, a series and an instance."""

from __future__ import annotations

from pacs.http.dicomweb_urls import instance_url, resource_url
from pacs.model import Identity

SERVICE = "https://pacs.example/dicom-web"


def test_one_url_for_each_level() -> None:
    instance = f"{SERVICE}/studies/1.2/series/1.3/instances/1.4"
    assert resource_url(SERVICE, "1.2") == f"{SERVICE}/studies/1.2"
    assert resource_url(SERVICE, "1.2", "1.3") == f"{SERVICE}/studies/1.2/series/1.3"
    assert resource_url(SERVICE, "1.2", "1.3", "1.4") == instance
    assert instance_url(SERVICE, Identity("1.1", "1.4", "1.3", "1.2")) == instance
