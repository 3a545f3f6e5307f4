"""The grader of programs: 1 if the program in the answer passes its tests in the sandbox."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from functools import cache
from hashlib import sha256

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
    sandbox, known = _sandbox(settings)
    keys = [_key(answer) for answer in answers]
    # The samples of a group are often the same program, as are the answers of a model's seeds.
    new = {key: answer for key, answer in zip(keys, answers, strict=True) if key not in known}
    results = sandbox.run_all([_program(answer) for answer in new.values()])
    for key, result in zip(new, results, strict=True):
        known[key] = Grade(float(result.passed), result.passed, result.reason)
    return [known[key] for key in keys], sandbox.about


def _key(answer: Answer) -> bytes:
    """Short, since tests can be long and a process grades many thousands of answers."""
    return sha256(f"{answer.reference}\0{answer.text}".encode(errors="surrogatepass")).digest()


def _program(answer: Answer) -> Program:
    where = f"the reference of {answer.prompt_id!r}"
    return program(from_reference(answer.reference, where), answer.text, where)


@cache
def _sandbox(settings: SandboxSettings) -> tuple[Sandbox, dict[bytes, Grade]]:
    """One for the life of the process, and what it said of each answer: a training grades at every
    step, and an evaluation the answers of all seeds."""
    sandbox = Sandbox(settings)
    atexit.register(sandbox.close)
    return sandbox, {}
