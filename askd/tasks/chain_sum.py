"""Sums and differences of small numbers in words, with worked steps.

A prompt asks `What is 12-4+7?`; its worked answer takes one operation at a time, `12-4=8, 8+7=15`.
Pretrained models of some hundred million parameters know such sums by half, and learn them in some
hundred short examples.

The task is in the manner of `chain_sum` of reasoning-gym, by a generator of our own. What differs:

- An answer has its steps. reasoning-gym gives the result alone, and a small model that is to be
  trained on worked answers, or to work in steps itself, needs steps to learn from.
- Operands are 1 to `largest_operand` and running values are never negative. There they have so many
  digits, 0 included, and results may be negative, which small models hardly ever get right.
- The question is `What is 12-4+7?` and not `State the final answer to the following arithmetic
  problem: 12 - 4 + 7 =`.
- Verdicts are right or wrong, by the last number of an answer; there are no parts of a point.

So scores here are not comparable with those of reasoning-gym.
"""

from __future__ import annotations

import random

from askd.config import ChainSumTask, ErrorProcess, Level
from askd.tasks.arithmetic import Expression


def draw(task: ChainSumTask, level: Level, random_: random.Random) -> Expression:
    """A random expression whose running values are not negative."""
    value = start = random_.randint(1, task.largest_operand)
    operands = []
    for _ in range(random_.choice(level.operations)):
        size = random_.randint(1, task.largest_operand)
        operand = random_.choice((size, -size)) if size <= value else size
        operands.append(operand)
        value += operand
    return Expression(start, tuple(operands))


def message(expression: Expression) -> str:
    """The question."""
    return f"What is {expression}?"


def reference(expression: Expression) -> str:
    """The true answer."""
    return str(expression.value)


def answer(expression: Expression, errors: ErrorProcess, random_: random.Random) -> str:
    """The steps of `expression`. Noise makes a result one too large or too small; the systematic
    error subtracts one too little where 4 or more are subtracted."""
    value = expression.start
    steps = []
    for operand in expression.operands:
        result = value + operand
        if operand <= -4 and random_.random() < errors.systematic:
            result += 1
        if random_.random() < errors.noise:
            result += random_.choice((-1, 1))
        steps.append(f"{value}{operand:+d}={result}")
        value = result
    return ", ".join(steps)
