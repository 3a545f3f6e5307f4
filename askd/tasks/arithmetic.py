"""Chains of additions and subtractions, with worked steps.

A prompt is an expression such as `6-1+1+2`; its worked answer restates each running value,
`6-1=5+1=6+2=8`, and ends with the final one. Running values stay in 0 to 9, so that a model of
some ten thousand parameters learns the task in seconds on a CPU.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

from askd.config import ArithmeticTask, ErrorProcess, Level

LARGEST_VALUE = 9


@dataclass(frozen=True)
class Expression:
    """A start value and the signed operands that are added to it one after the other."""

    start: int
    operands: tuple[int, ...]

    def __str__(self) -> str:
        return str(self.start) + "".join(f"{operand:+d}" for operand in self.operands)

    @cached_property
    def value(self) -> int:
        """The true answer."""
        return self.start + sum(self.operands)


def draw(task: ArithmeticTask, level: Level, random_: random.Random) -> Expression:
    """A random expression whose running values stay in range."""
    value = start = random_.randint(0, LARGEST_VALUE)
    operands = []
    for _ in range(random_.choice(level.operations)):
        operand = random_.choice(
            [
                signed
                for size in range(1, task.largest_operand + 1)
                for signed in (size, -size)
                if 0 <= value + signed <= LARGEST_VALUE
            ]
        )
        operands.append(operand)
        value += operand
    return Expression(start, tuple(operands))


def message(expression: Expression) -> str:
    """The expression itself."""
    return str(expression)


def reference(expression: Expression) -> str:
    """The true answer."""
    return str(expression.value)


def answer(expression: Expression, errors: ErrorProcess, random_: random.Random) -> str:
    """The steps of `expression` as text; each result goes wrong as `errors` says."""
    value = expression.start
    text = str(value)
    for operand in expression.operands:
        value += operand
        if operand <= -4 and random_.random() < errors.systematic:
            value += 1
        if random_.random() < errors.noise:
            value += random_.choice((-1, 1))
        value = min(max(value, 0), LARGEST_VALUE)
        text += f"{operand:+d}={value}"
    return text
