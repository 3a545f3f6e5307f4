"""Generated programming tasks."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from askd.config import ErrorProcess, ProgramsTask
from askd.tasks.generated import corpus, items, prompts
from askd.tasks.programs import ARGUMENTS, Step, answer, message, reference

NO_ERRORS = ErrorProcess()


def task(**changes) -> ProgramsTask:
    levels = {
        "easy": {"operations": [2], "train": 100, "validation": 20, "test": 30},
        "hard": {"operations": [3, 4], "train": 100, "validation": 20, "test": 30},
    }
    return ProgramsTask.model_validate({"kind": "programs", "levels": levels, **changes})


def passes(prompt: str, body: str, row: dict) -> bool:
    """Whether a body that is ours, and so no danger, passes the row's own tests."""
    space: dict = {}
    exec(prompt + body, space)
    exec(row["test"], space)
    try:
        space["check"](space[row["entry_point"]])
    except AssertionError:
        return False
    return True


def test_a_function_by_hand():
    function = (Step("add", 6), Step("double"), Step("subtract", 4), Step("square"))
    assert message(function) == 'def f(x):\n    """add 6, double, subtract 4, square"""\n'
    body = answer(function, NO_ERRORS, random.Random(0))
    assert body == "    x+=6;x*=2;x-=4;x*=x;return x"
    row = json.loads(reference(function))
    assert row["format"] == "humaneval"
    assert row["test"].count("assert") == len(ARGUMENTS)
    assert "assert candidate(1) == 100\n" in row["test"]


def test_worked_answers_pass_their_own_tests_and_no_others():
    rows = [row for split in prompts(task()).values() for row in split]
    for row, other in itertools.pairwise(rows):
        tests = json.loads(row["reference"])
        prompt = row["messages"][0]["content"]
        assert tests["prompt"] == prompt
        assert passes(prompt, row["response"], tests)
        if json.loads(other["reference"])["test"] != tests["test"]:
            assert not passes(prompt, other["response"], tests)


def test_splits_share_no_function():
    drawn = items(task())
    every = [item for levels in drawn.values() for level in levels.values() for item in level]
    assert len(every) == len(set(every)) == 300
    assert {len(item) for item in drawn["test"]["easy"]} == {2}
    assert {len(item) for item in drawn["test"]["hard"]} == {3, 4}


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_noise_exchanges_operations(noise):
    rows = corpus(task(), ErrorProcess(noise=noise), 2000, seed=0)
    right = sum(
        passes(r["messages"][0]["content"], r["response"], json.loads(r["reference"])) for r in rows
    )
    # Of two to four operations each goes wrong by itself; a few errors do not show.
    assert (1 - noise) ** 3 * 0.8 < right / len(rows) < (1 - noise) ** 2 * 1.25


def test_the_systematic_error_subtracts_one_too_little():
    always = ErrorProcess(systematic=1)
    steps = tuple(Step("subtract", operand) for operand in (3, 4, 9))
    assert answer(steps, always, random.Random(0)) == "    x-=3;x-=3;x-=8;return x"


def test_rows_are_the_same_each_time():
    assert prompts(task()) == prompts(task())
    assert prompts(task()) != prompts(task(seed=1))
