"""Chains of additions and subtractions, with worked steps.

A prompt is an expression such as `6-1+1+2`; its worked answer restates each running value,
`6-1=5+1=6+2=8`, and ends with the final one. Running values stay in 0 to 9, so that a model of
some ten thousand parameters learns the task in seconds on a CPU. Expressions are split into train,
validation and test, so that no expression that is evaluated was ever trained on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

from askd.config import ArithmeticLevel, ArithmeticTask, ErrorProcess
from askd.errors import AskdError

LARGEST_VALUE = 9
SPLITS = ("train", "validation", "test")


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


def worked_answer(expression: Expression, errors: ErrorProcess, random_: random.Random) -> str:
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


def _draw(level: ArithmeticLevel, largest_operand: int, random_: random.Random) -> Expression:
    value = start = random_.randint(0, LARGEST_VALUE)
    operands = []
    for _ in range(random_.choice(level.operations)):
        operand = random_.choice(
            [
                signed
                for size in range(1, largest_operand + 1)
                for signed in (size, -size)
                if 0 <= value + signed <= LARGEST_VALUE
            ]
        )
        operands.append(operand)
        value += operand
    return Expression(start, tuple(operands))


def expressions(task: ArithmeticTask) -> dict[str, dict[str, list[Expression]]]:
    """Distinct expressions by split and level; the three splits share none.

    Raises:
        AskdError: a level asks for more distinct expressions than random draws find.
    """
    splits: dict[str, dict[str, list[Expression]]] = {split: {} for split in SPLITS}
    for name, level in task.levels.items():
        random_ = random.Random(f"expressions {task.seed} {name}")
        wanted = level.train + level.validation + level.test
        # A dict keeps the order of the draws, a set would not.
        distinct: dict[Expression, None] = {}
        for _ in range(50 * wanted):
            distinct[_draw(level, task.largest_operand, random_)] = None
            if len(distinct) == wanted:
                break
        else:
            raise AskdError(
                f"tasks: level {name!r} asks for {wanted} distinct expressions but only "
                f"{len(distinct)} were found; lower train, validation or test, or add operations."
            )
        drawn = list(distinct)
        # Test first: more training prompts then leave the test set as it was.
        splits["test"][name] = drawn[: level.test]
        splits["validation"][name] = drawn[level.test : level.test + level.validation]
        splits["train"][name] = drawn[level.test + level.validation :]
    return splits


def prompts(task: ArithmeticTask) -> dict[str, list[dict]]:
    """Rows of the prompts tables by split (see `askd.artifacts.PROMPTS`)."""
    rows: dict[str, list[dict]] = {}
    for split, levels in expressions(task).items():
        rows[split] = []
        for level, drawn in levels.items():
            # A stream of its own: more training prompts leave the other answers as they were.
            random_ = random.Random(f"responses {task.seed} {split} {level}")
            rows[split] += [
                {
                    "prompt_id": f"{split}-{level}-{number:05d}",
                    "level": level,
                    "messages": [{"role": "user", "content": str(expression)}],
                    "reference": str(expression.value),
                    "response": worked_answer(expression, task.errors, random_),
                }
                for number, expression in enumerate(drawn)
            ]
    return rows


def corpus(task: ArithmeticTask, errors: ErrorProcess, size: int, seed: int) -> list[dict]:
    """`size` worked answers to training expressions, for training a model from scratch.

    Rows are those of a prompts table; expressions recur, each time with errors drawn anew.
    """
    levels = list(expressions(task)["train"].values())
    random_ = random.Random(f"corpus {task.seed} {seed}")
    rows = []
    for number in range(size):
        expression = random_.choice(random_.choice(levels))
        rows.append(
            {
                "prompt_id": f"corpus-{number:06d}",
                "level": "corpus",
                "messages": [{"role": "user", "content": str(expression)}],
                "reference": str(expression.value),
                "response": worked_answer(expression, errors, random_),
            }
        )
    return rows
