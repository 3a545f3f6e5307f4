"""The grader of programs: 1 if the program in the answer passes its tests in the sandbox."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from functools import cache

from askd.config import SandboxSettings
from askd.rewards.result import Answer, Grade
from askd.sandbox import Program, Sandbox
from askd.sandbox.formats import from_reference, program


def grade(answers: Sequence[Answer], settings: SandboxSettings) -> tuple[list[Grade], dict]:
    """A grade for each answer, and what the sandbox was.

    The reference of a prompt is a row of tests as `askd.sandbox.formats` reads it. An answer that
    was cut at the longest response is graded like any other: the program in it may be whole.

    Raises:
        BadTests: a reference is no row of tests, or its tests cannot judge any program.
        SandboxRefused, SandboxBroken: nothing is known of the answers.
    """
    sandbox = _sandbox(settings)
    programs = [_program(answer) for answer in answers]
    # The samples of a group are often the same program.
    distinct = list(dict.fromkeys(programs))
    results = dict(zip(distinct, sandbox.run_all(distinct), strict=True))
    grades = [
        Grade(float(result.passed), result.passed, result.reason)
        for result in (results[item] for item in programs)
    ]
    return grades, sandbox.about


def _program(answer: Answer) -> Program:
    where = f"the reference of {answer.prompt_id!r}"
    return program(from_reference(answer.reference, where), answer.text, where)


@cache
def _sandbox(settings: SandboxSettings) -> Sandbox:
    """One for the life of the process: a training grades at every step."""
    sandbox = Sandbox(settings)
    atexit.register(sandbox.close)
    return sandbox
