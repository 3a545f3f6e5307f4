"""Tasks whose prompts are drawn at random: distinct ones, in splits that share none.

A kind of task is a module of this package with four functions:

    draw(task, level, random_)     an item, hashable
    message(item)                  the prompt, as the user writes it
    reference(item)                what the task's grader compares an answer with
    answer(item, errors, random_)  a worked answer, which goes wrong as `errors` say
"""

from __future__ import annotations

import random
from collections.abc import Hashable
from importlib import import_module

from askd.config import ErrorProcess, GeneratedTask
from askd.errors import AskdError

SPLITS = ("train", "validation", "test")


def items(task: GeneratedTask) -> dict[str, dict[str, list[Hashable]]]:
    """Distinct items by split and level; the three splits share none.

    Raises:
        AskdError: a level asks for more distinct items than random draws find.
    """
    kind = import_module(task.module)
    splits: dict[str, dict[str, list]] = {split: {} for split in SPLITS}
    for name, level in task.levels.items():
        random_ = random.Random(f"expressions {task.seed} {name}")
        wanted = level.train + level.validation + level.test
        # A dict keeps the order of the draws, a set would not.
        distinct: dict[Hashable, None] = {}
        for _ in range(50 * wanted):
            distinct[kind.draw(task, level, random_)] = None
            if len(distinct) == wanted:
                break
        else:
            raise AskdError(
                f"tasks: level {name!r} asks for {wanted} distinct prompts but only "
                f"{len(distinct)} were found; lower train, validation or test, or add operations."
            )
        drawn = list(distinct)
        # Test first: more training prompts then leave the test set as it was.
        splits["test"][name] = drawn[: level.test]
        splits["validation"][name] = drawn[level.test : level.test + level.validation]
        splits["train"][name] = drawn[level.test + level.validation :]
    return splits


def prompts(task: GeneratedTask) -> dict[str, list[dict]]:
    """Rows of the prompts tables by split (see `askd.artifacts.PROMPTS`)."""
    rows: dict[str, list[dict]] = {}
    for split, levels in items(task).items():
        rows[split] = []
        for level, drawn in levels.items():
            # A stream of its own: more training prompts leave the other answers as they were.
            random_ = random.Random(f"responses {task.seed} {split} {level}")
            rows[split] += [
                _row(task, f"{split}-{level}-{number:05d}", level, item, task.errors, random_)
                for number, item in enumerate(drawn)
            ]
    return rows


def corpus(task: GeneratedTask, errors: ErrorProcess, size: int, seed: int) -> list[dict]:
    """`size` worked answers to training prompts, for training a model from scratch.

    Rows are those of a prompts table; prompts recur, each time with errors drawn anew.
    """
    drawn = [item for level in items(task)["train"].values() for item in level]
    random_ = random.Random(f"corpus {task.seed} {seed}")
    return [
        _row(
            task,
            f"corpus-{number:06d}",
            "corpus",
            random_.choice(drawn),
            errors,
            random_,
        )
        for number in range(size)
    ]


def _row(
    task: GeneratedTask,
    prompt_id: str,
    level: str,
    item: Hashable,
    errors: ErrorProcess,
    random_: random.Random,
) -> dict:
    kind = import_module(task.module)
    return {
        "prompt_id": prompt_id,
        "level": level,
        "messages": [{"role": "user", "content": kind.message(item)}],
        "reference": kind.reference(item),
        "response": kind.answer(item, errors, random_),
    }
