"""What judges are asked, and what that costs."""

from __future__ import annotations

import math

from askd.config import Config, EndpointJudge, Judge, Lengths
from askd.judge.position_check import PAIRS

# A judge is asked in both orders. Its prompt holds the question, both answers and the instructions.
ORDERS, JUDGE_WORDS = 2, 250


def judging(
    config: Config, judge: Judge | None, lengths: Lengths, answers: float
) -> dict[str, float]:
    """The `calls` of a job that has `answers` compared with baseline answers, and their `price`.

    The price is tokens of prompts and replies times their prices by the million; a prompt is the
    question, two answers and 250 tokens of instructions; second calls, for replies without a
    verdict, are not counted. It is not a number where a judge has no prices, and rules cost
    nothing.
    """
    if not isinstance(judge, EndpointJudge) or not answers:
        return {"calls": 0, "price": 0}
    prompt = lengths.prompt + 2 * lengths.response + JUDGE_WORDS
    prices = (judge.prompt_price, judge.completion_price)
    of_prompt, of_reply = (math.nan if price is None else price for price in prices)
    of_a_call = (prompt * of_prompt + config.plan.judge_reply * of_reply) / 1e6
    calls = ORDERS * answers
    return {"calls": calls, "price": calls * of_a_call}


def check_calls(config: Config) -> int:
    """Calls that show whether the judges can judge: each is asked about the same pairs, once."""
    asked = {name for name, task in config.tasks.items() if task.grader == "judge"}
    judges = [config.judge] if asked else []
    judges += [config.judge_of(name) for name in config.benchmarks]
    models = {(j.base_url, j.model) for j in judges if isinstance(j, EndpointJudge)}
    return len(models) * ORDERS * len(PAIRS)
