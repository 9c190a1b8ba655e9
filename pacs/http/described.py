"""What an endpoint declares for the OpenAPI document, besides its path, right and docstring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

Schema = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

TEXT: Schema = {"type": "string"}
UID: Schema = {"type": "string", "pattern": r"^[0-9.]{1,64}$", "examples": ["1.2.840.113619.2.55.3"]}
WHOLE: Schema = {"type": "integer", "minimum": 0}
BINARY: Schema = {"type": "string", "format": "binary"}
OBJECT: Schema = {"type": "object"}


def one_of(words: Any) -> Schema:
    """The schema of an enumeration."""
    return {"type": "string", "enum": [str(word) for word in words]}


@dataclass(frozen=True, slots=True)
class Described:
    """`body`: a model, or the schema of each media type. `answers`: the media types of a success."""

    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: type[BaseModel] | Mapping[str, Schema] | None = None
    status: int | str = 200
    answers: Mapping[str, Schema] = field(default_factory=dict)
    summary: str = ""


def describe(described: Described) -> Callable[[F], F]:
    """Decorator of an endpoint."""

    def remember(endpoint: F) -> F:
        endpoint.described = described  # type: ignore[attr-defined]  # read by `openapi`
        return endpoint

    return remember


def answers_json(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}
