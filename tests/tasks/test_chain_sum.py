"""Sums in words: right steps, errors as configured, and answers that the grader reads."""

from __future__ import annotations

import random
import re

import pytest

from askd.config import ChainSumTask, ErrorProcess, Level, validate
from askd.rewards.grade import grade
from askd.tasks import chain_sum, generated
from askd.tasks.arithmetic import Expression

TASK = validate(
    ChainSumTask,
    {
        "kind": "chain_sum",
        "largest_operand": 20,
        "levels": {"two": {"operations": [2, 3], "train": 200, "validation": 20, "test": 50}},
    },
    "test",
)


def steps(answer: str) -> list[tuple[int, int, int]]:
    """(value, signed operand, result) of each step."""
    found = [re.fullmatch(r"(\d+)([+-]\d+)=(\d+)", step) for step in answer.split(", ")]
    return [tuple(map(int, step.groups())) for step in found]


def test_an_expression_keeps_its_bounds():
    random_ = random.Random(0)
    level = Level(operations=[2, 3], train=1, validation=1, test=1)
    drawn = [chain_sum.draw(TASK, level, random_) for _ in range(500)]
    assert {len(expression.operands) for expression in drawn} == {2, 3}
    for expression in drawn:
        value = expression.start
        assert 1 <= value <= 20
        for operand in expression.operands:
            value += operand
            assert 1 <= abs(operand) <= 20 and value >= 0
    assert any(operand < 0 for expression in drawn for operand in expression.operands)


def test_question_and_worked_answer():
    expression = Expression(12, (-4, 7))
    assert chain_sum.message(expression) == "What is 12-4+7?"
    assert chain_sum.answer(expression, ErrorProcess(), random.Random(0)) == "12-4=8, 8+7=15"
    assert chain_sum.reference(expression) == "15"


@pytest.mark.parametrize("split", generated.SPLITS)
def test_worked_answers_without_errors_are_graded_right(split):
    rows = generated.prompts(TASK)[split]
    rollouts = [
        {**row, "sample_id": 0, "text": row["response"], "finish_reason": "stop"} for row in rows
    ]
    assert all(grade(rollouts, rows, "arithmetic").column("correct").to_pylist())
    for row in rows:
        for value, operand, result in steps(row["response"]):
            assert value + operand == result


def test_noise_makes_results_off_by_one_and_is_carried_on():
    random_, wrong = random.Random(0), 0
    for _ in range(500):
        done = steps(chain_sum.answer(Expression(9, (5, -3)), ErrorProcess(noise=0.3), random_))
        assert done[1][0] == done[0][2]
        errors = [result - value - operand for value, operand, result in done]
        assert set(errors) <= {-1, 0, 1}
        wrong += sum(map(bool, errors))
    assert 0.25 < wrong / 1000 < 0.35


def test_the_systematic_error_subtracts_one_too_little_from_four_on():
    errors = ErrorProcess(systematic=1)
    answer = chain_sum.answer(Expression(20, (-3, -4, 5)), errors, random.Random(0))
    assert answer == "20-3=17, 17-4=14, 14+5=19"


def test_prompts_are_distinct_and_splits_share_none():
    asked = [
        row["messages"][0]["content"] for rows in generated.prompts(TASK).values() for row in rows
    ]
    assert len(asked) == len(set(asked)) == 270
