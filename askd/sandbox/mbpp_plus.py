"""Inputs of MBPP+ as EvalPlus gives them to a program.

The file is JSON, which has lists only; which problems take tuples, sets or complex numbers is known
from their numbers (evalplus 0.3.1, evalplus/data/mbpp.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _tuples(value: list) -> list:
    return [tuple(item) for item in value]


def _tuple_of_tuples(value: list) -> tuple:
    return tuple(tuple(item) if isinstance(item, list) else item for item in value)


def _deep(value: Any) -> Any:
    return tuple(_deep(item) for item in value) if isinstance(value, list) else value


def _sets(value: list) -> list:
    return [set(item) if isinstance(item, list) and item else {} for item in value]


def _values(value: dict) -> dict:
    return {key: tuple(item) for key, item in value.items()}


# What is done to every argument, or to the argument at a position.
EVERY: list[tuple[Callable, tuple[int, ...]]] = [
    (tuple, (2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424)),
    (tuple, (429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809)),
    (_tuples, (63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780)),
    (_tuple_of_tuples, (259, 401, 445)),
    (_deep, (580, 615, 791)),
]
AT: list[tuple[int, Callable, tuple[int, ...]]] = [
    (0, tuple, (250, 307, 405, 446, 617, 720, 763, 808)),
    (0, _tuples, (75, 413, 444, 753)),
    (0, _tuple_of_tuples, (278,)),
    (0, _sets, (115,)),
    (0, _values, (722,)),
    (0, complex, (252,)),
    (0, float, (124,)),
    (1, complex, (124,)),
    (1, tuple, (106, 750)),
]


def converted(number: int, inputs: list[list]) -> list[list]:
    """The arguments of problem `number`, one list for each call.

    Raises:
        AttributeError, TypeError, ValueError, IndexError: the arguments are not that problem's.
    """
    for convert, numbers in EVERY:
        if number in numbers:
            inputs = [[convert(argument) for argument in arguments] for arguments in inputs]
    for position, convert, numbers in AT:
        if number in numbers:
            inputs = [list(arguments) for arguments in inputs]
            for arguments in inputs:
                arguments[position] = convert(arguments[position])
    return inputs
