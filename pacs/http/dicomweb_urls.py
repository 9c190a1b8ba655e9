"""URLs of what DICOMweb serves (PS3.18 §10.1.1), for its own answers and for those of the REST API."""

from __future__ import annotations

from pacs.model import Identity


def resource_url(service: str, study: str, series: str | None = None, sop: str | None = None) -> str:
    """Of a study, one of its series, or one instance. `service`: the URL of `/dicom-web` as the caller sees
    it (`pacs.http.origin`)."""
    url = f"{service}/studies/{study}"
    if series is not None:
        url += f"/series/{series}"
    if sop is not None:
        url += f"/instances/{sop}"
    return url


def instance_url(service: str, instance: Identity) -> str:
    return resource_url(
        service, instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid
    )
