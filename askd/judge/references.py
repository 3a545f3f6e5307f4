"""The reference of a prompt that is judged: the baseline answer, and who gave it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from askd.errors import AskdError


@dataclass(frozen=True)
class Baseline:
    """An answer that others are compared with, and the model that gave it, where that is known."""

    text: str
    generator: str


def baseline_of(reference: str, where: str) -> Baseline:
    """The baseline in `reference`: JSON with the text `baseline` and, optionally, `generator`.

    Raises:
        AskdError: there is no such text; names `where`.
    """
    try:
        value = json.loads(reference)
        text, generator = value["baseline"], value.get("generator", "unnamed")
        if not isinstance(text, str) or not isinstance(generator, str):
            raise TypeError("`baseline` and `generator` are texts")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AskdError(
            f"{where} does not hold a baseline, as grader 'judge' needs: expected an object such "
            f'as {{"baseline": "an answer", "generator": "who gave it"}} '
            f"({type(error).__name__}: {error})."
        ) from error
    return Baseline(text, generator)
