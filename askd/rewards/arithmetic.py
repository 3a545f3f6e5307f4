"""The exact grader of the arithmetic task: the number behind the last equals sign."""

from __future__ import annotations

import re
from collections.abc import Sequence

from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.rewards.result import Answer, Grade

# Python refuses to read numbers of thousands of digits, and no answer has them.
ANSWER = re.compile(r"=\s*(-?\d{1,100})\s*$")


def grade(answers: Sequence[Answer], _: SandboxSettings) -> tuple[list[Grade], None]:
    """A grade for each answer; no program is run."""
    return [grade_one(answer) for answer in answers], None


def grade_one(answer: Answer) -> Grade:
    """1 for a finished response that ends in `=REFERENCE`, else 0, with the reason.

    Raises:
        AskdError: the reference is not a number.
    """
    try:
        reference = int(answer.reference)
    except ValueError as error:
        raise AskdError(
            f"prompts: the reference {answer.reference!r} of {answer.prompt_id!r} is not a number, "
            "as grader 'arithmetic' needs."
        ) from error
    if answer.finish_reason != "stop":
        return Grade(0.0, False, "unfinished")
    found = ANSWER.search(answer.text)
    if found is None:
        return Grade(0.0, False, "no answer")
    if int(found.group(1)) != reference:
        return Grade(0.0, False, "wrong answer")
    return Grade(1.0, True, "correct")
