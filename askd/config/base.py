"""What all sections share: strictness, hints for misspelt names, and validation."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from askd.errors import AskdError

Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.@-]*$")]


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt `word`: the nearest known one, or all that are known."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known) or 'none'}."


class Strict(BaseModel):
    """A section: unknown keys are errors that name the nearest known key."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest_key(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {key!r}; {nearest(str(key), cls.model_fields)}")
        return value


def validate(kind: Any, value: Any, where: str) -> Any:
    """`value` as a `kind` (a model or a union of models).

    Raises:
        AskdError: names `where`, and each wrong key with what is wrong.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            place = _place(problem["loc"], value, is_missing=problem["type"] == "missing")
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{place}: {message}" if place else message)
        raise AskdError(f"{where}: " + "; ".join(lines)) from error


def _place(location: tuple[int | str, ...], value: Any, is_missing: bool) -> str:
    """The path to a wrong value, without the tags of unions that pydantic puts between.

    Only the last part of the path to a key that `is_missing` is not found, and no tag.
    """
    parts = []
    for number, part in enumerate(location):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            if not is_missing or number < len(location) - 1:
                continue
        parts.append(str(part))
    return ".".join(parts)


def validated_json(kind: Any, text: str) -> Any:
    """A stage's settings of `kind` from JSON `text`, as the workflow passes them."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise AskdError(f"--settings: not JSON ({error}).") from error
    return validate(kind, value, "--settings")
