from __future__ import annotations

import pytest

from pacs.namesakes import are_others


@pytest.mark.parametrize(
    ("one", "other", "others"),
    [
        (("Doe^Jane", "19700101"), ("Doe^Jane", "19700101"), False),
        (("Doe^Jane", "19700101"), ("Roe^Jane", "19700101"), False),  # married
        (("Doe^Jane", "19700101"), ("Doe^Jane", "19710101"), True),
        (("Doe^Jane", None), ("Roe^Ann", "19710101"), True),
        (("Doe^Jane", None), ("Roe^Jane", None), True),
        (("Doe^Jane", None), ("DOE^JANE^MARY", None), False),
        (("Doe^Jane^^Dr", None), ("Doe^Jane^M", None), True),
        (("Müller^Jörg", None), ("MULLER^JORG=山田", None), False),
        (("Doe^Jane", None), (None, "19700101"), False),
        ((None, None), (None, None), False),
    ],
)
def test_who_is_another(
    one: tuple[str | None, str | None], other: tuple[str | None, str | None], others: bool
) -> None:
    assert are_others(*one, *other) is are_others(*other, *one) is others
