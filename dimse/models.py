"""The Query/Retrieve information models as one table (PS3.4 §C.6): roots, levels and SOP classes."""

from __future__ import annotations

from dataclasses import dataclass

from dimse.negotiation import QueryOptions
from pacs.attributes import LEVELS, Level

_UID = "1.2.840.10008.5.1.4.1.2"


@dataclass(frozen=True, slots=True)
class InformationModel:
    name: str
    levels: tuple[Level, ...]
    number: int

    @property
    def find(self) -> str:
        return f"{_UID}.{self.number}.1"

    @property
    def move(self) -> str:
        return f"{_UID}.{self.number}.2"

    @property
    def get(self) -> str:
        return f"{_UID}.{self.number}.3"


MODELS = (
    InformationModel("Patient Root", LEVELS, 1),
    InformationModel("Study Root", LEVELS[1:], 2),
    InformationModel("Patient/Study Only (retired)", LEVELS[:2], 3),
)

FIND_OPTIONS = QueryOptions(relational=True, date_time=True, fuzzy=True, timezone=True)
RETRIEVE_OPTIONS = QueryOptions(relational=True)

OPTIONS = (
    {model.find: FIND_OPTIONS for model in MODELS}
    | {model.move: RETRIEVE_OPTIONS for model in MODELS}
    | {model.get: RETRIEVE_OPTIONS for model in MODELS}
)
"""SOP class → options of extended negotiation (PS3.4 §C.4.1.3.1, §C.4.2.3.1, §C.4.3.3.1)."""

MODEL_OF = {uid: model for model in MODELS for uid in (model.find, model.move, model.get)}
