"""What a grader says of a response."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Grade:
    """A reward, whether the answer is correct (kappa reads it), and why."""

    reward: float
    correct: bool
    reason: str
