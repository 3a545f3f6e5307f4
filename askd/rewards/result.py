"""What a grader reads of a response, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

# Reasons by which answers are counted that no grader could compare: not read, and not in time.
UNREAD = frozenset({"no answer", "unparsed", "syntax error"})
TIMED_OUT = "timeout"


@dataclass(frozen=True)
class Answer:
    """A response, with the reference of its prompt; errors about the reference name the prompt."""

    prompt_id: str
    text: str
    finish_reason: str
    reference: str


@dataclass(frozen=True)
class Grade:
    """A reward, whether the answer is correct (kappa reads it), and why."""

    reward: float
    correct: bool
    reason: str
