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
class Operation:
    """What the code itself does not tell of an OpenAPI operation.

    `query`, `headers`: schema of each parameter. `body`: a model, or the schema of each media type. `status`,
    `answers`: of a success, the latter by media type. `summary`: in place of the endpoint's docstring.
    """

    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: type[BaseModel] | Mapping[str, Schema] | None = None
    status: int | str = 200
    answers: Mapping[str, Schema] = field(default_factory=dict)
    summary: str = ""


def describe(operation: Operation) -> Callable[[F], F]:
    """Decorates an endpoint; `pacs.http.openapi` reads it."""

    def remember(endpoint: F) -> F:
        endpoint.operation = operation  # type: ignore[attr-defined]  # an attribute of our own
        return endpoint

    return remember


def answers_json(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}
