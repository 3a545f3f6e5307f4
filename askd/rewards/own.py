"""Graders of one's own: a Python function that the configuration names as `module:function`.

    def score(prompt: str, response: str, reference: str | None) -> float | bool: ...

It gives the reward, from 0 to 1. Advantages are rewards less their mean, in units of their standard
deviation, so a reward on any other bounded scale means the same once it is mapped to this one; and
tables, whose intervals are those of shares, can show its mean. The function runs in the stage's own
process, not in the sandbox: it must not run what a model wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np

from askd import entry_point
from askd.errors import AskdError
from askd.rewards.result import Answer, Grade


def grade(answers: Sequence[Answer], name: str) -> list[Grade]:
    """A grade for each answer by the function `name`; one of 1 counts as correct.

    The function is given the last message of the prompt, and None where there is no reference. An
    answer that was cut at the longest response is graded like any other.

    Raises:
        AskdError: the function cannot be loaded, fails, or gives no number from 0 to 1; names the
            prompt.
    """
    function = entry_point.load(name)
    path = entry_point.file_of(name)
    grades = []
    for answer in answers:
        try:
            prompt = answer.messages[-1]["content"]
            reward = function(prompt, answer.text, answer.reference or None)
        except Exception as error:
            raise AskdError(
                f"{name}: failed on a response to {answer.prompt_id!r} "
                f"({entry_point.failure(error, path)})."
            ) from error
        # NaN is in no range.
        if not (isinstance(reward, Real | np.bool_) and 0 <= reward <= 1):
            raise AskdError(
                f"{name}: gave {reward!r} for a response to {answer.prompt_id!r}; a reward is a "
                "number from 0 to 1, or a bool."
            )
        grades.append(Grade(float(reward), bool(reward == 1), f"reward {float(reward):.3g}"))
    return grades
