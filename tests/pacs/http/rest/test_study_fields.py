"""What people say of a study: taken when an attribute can have it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pacs.http.rest.study_fields import NewStudy, as_dicom


@pytest.mark.parametrize("said", ["2024-02-29", "20240229"])
def test_a_day_is_kept_as_dicom_writes_it(said: str) -> None:
    assert as_dicom(NewStudy(study_date=said)) == {"StudyDate": "20240229"}


@pytest.mark.parametrize(
    "said", ["2024-13-01", "2023-02-29", "00000000", "2024-0101", "٢٠٢٤٠١٠١", "2024-1-1"]
)
def test_what_is_no_day_is_refused(said: str) -> None:
    for field in ("study_date", "patient_birth_date"):
        with pytest.raises(ValidationError) as refused:
            NewStudy.model_validate({field: said})
        (fault,) = refused.value.errors(include_url=False, include_context=False, include_input=False)
        assert said not in fault["msg"]


def test_digits_of_other_scripts_make_no_uid() -> None:
    with pytest.raises(ValidationError):
        NewStudy(study_instance_uid="1.2٢")
