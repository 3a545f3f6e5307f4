"""What adapters give, and how they read columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class NotGradable(Exception):
    """A row that no grader can say anything about; the text says why, in a few words."""


@dataclass(frozen=True)
class Example:
    """A prompt as the user writes it, what its grader reads, and a worked answer or ""."""

    prompt: str
    reference: str
    response: str = ""


def text(row: dict, *names: str) -> str:
    """The text in the first of the columns `names` that the row has.

    Raises:
        KeyError: it has none of them.
        NotGradable: the text is empty, or none at all.
    """
    for name in names:
        if name in row:
            return filled(row[name], name)
    raise KeyError(names[0])


def filled(value: Any, name: str) -> str:
    """`value` if it is a text that is not blank.

    Raises:
        NotGradable: it is not.
    """
    if not isinstance(value, str) or not value.strip():
        raise NotGradable(f"{name} is empty")
    return value
