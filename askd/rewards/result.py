"""What a grader reads of a response, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """A response, with the messages and the reference of its prompt, which errors name.

    The reference is empty where the prompt has none.
    """

    prompt_id: str
    text: str
    finish_reason: str
    reference: str
    messages: Sequence[dict]


@dataclass(frozen=True)
class Grade:
    """A reward, whether the answer is correct (kappa reads it), and why."""

    reward: float
    correct: bool
    reason: str
