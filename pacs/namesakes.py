"""Whether a Patient ID is shared by different people, as far as names and dates of birth tell."""

from __future__ import annotations

from pacs.search.text import words

SHARED_ID = "shared_patient_id"
"""Flag of a patient: the studies with this Patient ID are of different people."""


def are_others(name: str | None, born: str | None, other_name: str | None, other_born: str | None) -> bool:
    """Who are born on different days, or of whom not both days are known, and each name has a word that the
    other lacks. A changed or misspelt name alone makes nobody another."""
    if born and other_born:
        return born != other_born
    if not name or not other_name or name == other_name:
        return False
    one, other = (set(words(each.split("=")[0])) for each in (name, other_name))
    return bool(one - other and other - one)
