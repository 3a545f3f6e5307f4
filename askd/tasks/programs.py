"""Short Python functions described in words, in the format of HumanEval.

A prompt is a header with a docstring, and its worked answer the body:

    def f(x):
        \"\"\"add 6, double, subtract 4\"\"\"
        x+=6;x*=2;x-=4;return x

The reference is a row of tests, and the grader runs the completed function on some integers in the
sandbox. One description is as good as another body of the same meaning.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import reduce

from askd.config import ErrorProcess, Level, ProgramsTask

PLAIN = {"double": "*=2", "triple": "*=3", "negate": "*=-1", "square": "*=x"}
WITH_OPERAND = {"add": "+=", "subtract": "-="}
ARGUMENTS = (-3, 0, 1, 2, 7)


@dataclass(frozen=True)
class Step:
    """One operation, with its operand if it has one."""

    word: str
    operand: int | None = None

    def __str__(self) -> str:
        return self.word if self.operand is None else f"{self.word} {self.operand}"

    @property
    def statement(self) -> str:
        """The operation as a Python statement."""
        if self.operand is None:
            return f"x{PLAIN[self.word]}"
        return f"x{WITH_OPERAND[self.word]}{self.operand}"

    def apply(self, value: int) -> int:
        """The value behind the step."""
        match self.word:
            case "add":
                return value + self.operand
            case "subtract":
                return value - self.operand
            case "square":
                return value * value
            case _:
                return value * {"double": 2, "triple": 3, "negate": -1}[self.word]


Function = tuple[Step, ...]


def draw(task: ProgramsTask, level: Level, random_: random.Random) -> Function:
    """A random sequence of steps."""
    return tuple(
        Step(word, random_.randint(1, 9) if word in WITH_OPERAND else None)
        for word in random_.choices([*WITH_OPERAND, *PLAIN], k=random_.choice(level.operations))
    )


def message(function: Function) -> str:
    """The header and the docstring."""
    return f'def f(x):\n    """{", ".join(map(str, function))}"""\n'


def reference(function: Function) -> str:
    """A row of tests in HumanEval's format."""
    cases = {x: reduce(lambda value, step: step.apply(value), function, x) for x in ARGUMENTS}
    asserts = "".join(f"    assert candidate({x}) == {y}\n" for x, y in cases.items())
    return json.dumps(
        {
            "format": "humaneval",
            "prompt": message(function),
            "entry_point": "f",
            "test": f"def check(candidate):\n{asserts}",
        }
    )


def answer(function: Function, errors: ErrorProcess, random_: random.Random) -> str:
    """The body. Noise exchanges an operation for a similar one; the systematic error subtracts one
    too little where 4 or more are subtracted."""
    statements = []
    for step in function:
        if step.word == "subtract" and step.operand >= 4 and random_.random() < errors.systematic:
            step = Step("subtract", step.operand - 1)
        if random_.random() < errors.noise:
            step = _similar(step, random_)
        statements.append(step.statement)
    return f"    {';'.join(statements)};return x"


def _similar(step: Step, random_: random.Random) -> Step:
    if step.operand is None:
        return Step(random_.choice([word for word in PLAIN if word != step.word]))
    return Step(step.word, step.operand + random_.choice((-1, 1)))
