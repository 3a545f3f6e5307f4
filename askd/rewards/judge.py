"""Pairwise judging: the win rate of an answer against a fixed baseline answer.

A judge sees two answers and says which is better. It is asked in both orders, since judges favour a
place: an answer that wins in both gets 1, one that loses in both 0, and all else 0.5.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Literal

from askd.config import SandboxSettings
from askd.errors import AskdError
from askd.rewards.result import Answer, Grade
from askd.tasks.instructions import broken_rules

Verdict = Literal["first", "second", "tie"]
Judge = Callable[[str, str], Verdict]
# What each verdict is worth for the answer that stands first.
WORTH = {"first": 1.0, "tie": 0.5, "second": 0.0}


def win_rate(judge: Judge, answer: str, baseline: str) -> float:
    """How `answer` fares against `baseline`: 1, 0.5 or 0; an inconsistent pair is a tie."""
    scores = (WORTH[judge(answer, baseline)], 1 - WORTH[judge(baseline, answer)])
    return scores[0] if scores[0] == scores[1] else 0.5


def rule_judge(rules: dict) -> Judge:
    """Prefers the answer that breaks fewer of `rules`; knows no place, no length and no style."""

    def judge(first: str, second: str) -> Verdict:
        one, other = broken_rules(first, rules), broken_rules(second, rules)
        return "tie" if one == other else "first" if one < other else "second"

    return judge


def grade(answers: Sequence[Answer], _: SandboxSettings) -> tuple[list[Grade], None]:
    """The win rate of each answer against the baseline in its reference; no program is run.

    An answer counts as correct if it wins in both orders.

    Raises:
        AskdError: a reference does not hold rules and a baseline.
    """
    return [_grade(answer) for answer in answers], None


def _grade(answer: Answer) -> Grade:
    try:
        reference = json.loads(answer.reference)
        judge, baseline = rule_judge(reference["rules"]), reference["baseline"]
        reward = win_rate(judge, answer.text, baseline)
    except (ValueError, KeyError, TypeError) as error:
        raise AskdError(
            f"prompts: the reference of {answer.prompt_id!r} does not hold rules and a baseline, "
            f"as grader 'judge' needs ({type(error).__name__}: {error})."
        ) from error
    reason = {1.0: "win", 0.5: "tie", 0.0: "loss"}[reward]
    return Grade(reward, reward == 1.0, reason)
