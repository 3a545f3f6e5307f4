"""The exact grader of the arithmetic task: the number behind the last equals sign."""

from __future__ import annotations

import re

from askd.rewards.result import Grade

# Python refuses to read numbers of thousands of digits, and no answer has them.
ANSWER = re.compile(r"=\s*(-?\d{1,100})\s*$")


def grade(text: str, finish_reason: str, reference: str) -> Grade:
    """1 for a finished response that ends in `=REFERENCE`, else 0, with the reason."""
    if finish_reason != "stop":
        return Grade(0.0, False, "unfinished")
    answer = ANSWER.search(text)
    if answer is None:
        return Grade(0.0, False, "no answer")
    if int(answer.group(1)) != int(reference):
        return Grade(0.0, False, "wrong answer")
    return Grade(1.0, True, "correct")
