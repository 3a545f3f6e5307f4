"""Public data sets, row by row: an adapter knows the columns of one and makes a prompt of a row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from askd.tasks.adapters import code, instructions, mathematics
from askd.tasks.adapters.example import Example, NotGradable

ADAPTERS: dict[str, Callable[[dict], Example]] = {
    "ultrachat": instructions.ultrachat,
    "alpaca-eval": instructions.alpaca_eval,
    "evol-instruct": instructions.prompt_and_answer,
    "ultrafeedback": instructions.prompt_and_answer,
    "metamathqa": mathematics.metamathqa,
    "gsm8k": mathematics.gsm8k,
    "math": mathematics.math,
    "code-r1": code.code_r1,
    "humaneval": code.humaneval,
    "mbpp": code.mbpp,
    "evalplus": code.evalplus,
    "evalplus-plus": partial(code.evalplus, plus=True),
}

__all__ = ["ADAPTERS", "Example", "NotGradable"]
