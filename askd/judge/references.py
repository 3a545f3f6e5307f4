"""The reference of a prompt that is judged: it holds the baseline answer."""

from __future__ import annotations

import json

from askd.errors import AskdError


def baseline_of(reference: str, where: str) -> str:
    """The answer that others are compared with: the text `baseline` of the JSON `reference`.

    Other keys, such as the name of the model that gave it, are let through.

    Raises:
        AskdError: there is no such text; names `where`.
    """
    try:
        baseline = json.loads(reference)["baseline"]
        if not isinstance(baseline, str):
            raise TypeError("`baseline` is no text")
    except (ValueError, KeyError, TypeError) as error:
        raise AskdError(
            f"{where} does not hold a baseline, as grader 'judge' needs: expected an object such "
            f'as {{"baseline": "an answer"}} ({type(error).__name__}: {error}).'
        ) from error
    return baseline
