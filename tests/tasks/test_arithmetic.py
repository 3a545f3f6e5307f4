"""Generated arithmetic: splits, worked answers, and errors at the rates that were asked for."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askd.config import ArithmeticTask, ErrorProcess
from askd.errors import AskdError
from askd.tasks.arithmetic import Expression
from askd.tasks.arithmetic import answer as worked_answer
from askd.tasks.generated import corpus, prompts
from askd.tasks.generated import items as expressions
from askd.tasks.prompts import build

SIZES = {"train": 60, "validation": 20, "test": 30}
NO_ERRORS = ErrorProcess()


def task(train: int = 60, **changes) -> ArithmeticTask:
    levels = {
        "easy": {**SIZES, "train": train, "operations": [2, 3]},
        "hard": {**SIZES, "train": train, "operations": [4]},
    }
    return ArithmeticTask.model_validate({"kind": "arithmetic", "levels": levels, **changes})


def steps(answer: str) -> list[tuple[int, int, int]]:
    """(value before, signed operand, value after) of each step of a worked answer."""
    value, *rest = re.findall(r"[+-]?\d", answer)
    result = []
    for operand, after in zip(rest[::2], rest[1::2], strict=True):
        result.append((int(value), int(operand), int(after)))
        value = after
    return result


def test_splits_have_the_sizes_asked_for_and_share_no_expression():
    splits = expressions(task())
    for split, size in SIZES.items():
        assert {name: len(drawn) for name, drawn in splits[split].items()} == {
            "easy": size,
            "hard": size,
        }
    drawn = [str(x) for split in splits.values() for level in split.values() for x in level]
    assert len(set(drawn)) == len(drawn) == 2 * sum(SIZES.values())


def test_levels_have_the_numbers_of_operations_asked_for():
    splits = expressions(task())
    for level, expected in (("easy", {2, 3}), ("hard", {4})):
        drawn = [len(x.operands) for split in splits.values() for x in split[level]]
        assert set(drawn) == expected


def test_the_same_seed_gives_the_same_prompts_and_another_seed_others():
    assert prompts(task()) == prompts(task())
    assert expressions(task()) != expressions(task(seed=1))


def test_the_test_split_does_not_change_when_train_grows():
    small, large = expressions(task(train=60)), expressions(task(train=200))
    assert small["test"] == large["test"]
    assert small["validation"] == large["validation"]
    assert large["train"]["easy"][:60] == small["train"]["easy"]


def test_the_test_table_does_not_change_when_train_grows():
    errors = {"noise": 0.5}
    small, large = (prompts(task(train=train, errors=errors))["test"] for train in (60, 200))
    assert small == large


def test_a_level_does_not_change_when_another_is_added():
    both = expressions(task())
    alone = task().model_copy(update={"levels": {"hard": task().levels["hard"]}})
    assert expressions(alone)["test"]["hard"] == both["test"]["hard"]


@pytest.mark.parametrize("largest", [1, 5, 9])
def test_running_values_and_operands_stay_within_bounds(largest):
    small = {"operations": [5], "train": 10, "validation": 5, "test": 5}
    splits = expressions(task(largest_operand=largest, levels={"all": small}))
    drawn = [x for split in splits.values() for x in split["all"]]
    operands = {operand for x in drawn for operand in x.operands}
    assert operands <= {sign * size for sign in (1, -1) for size in range(1, largest + 1)}
    for x in drawn:
        value = x.start
        assert 0 <= value <= 9
        for operand in x.operands:
            value += operand
            assert 0 <= value <= 9
        assert value == x.value


def test_more_expressions_than_there_are_is_an_error():
    level = {"operations": [1], "train": 1000, "validation": 1, "test": 1}
    with pytest.raises(AskdError, match="level 'tiny' asks for 1002 distinct prompts but only"):
        expressions(task(levels={"tiny": level}))


def test_all_expressions_there_are_can_be_asked_for():
    """One operation of size 1: 8 inner starts with two choices, and two ends with one."""
    level = {"operations": [1], "train": 16, "validation": 1, "test": 1}
    splits = expressions(task(largest_operand=1, levels={"tiny": level}))
    assert sum(len(split["tiny"]) for split in splits.values()) == 18


def test_prompts_say_the_expression_and_reference_its_value():
    rows = prompts(task())
    assert rows["test"][0]["prompt_id"] == "test-easy-00000"
    ids = [row["prompt_id"] for split in rows.values() for row in split]
    assert len(set(ids)) == len(ids)
    for row in rows["train"]:
        assert [message["role"] for message in row["messages"]] == ["user"]
        text = row["messages"][0]["content"]
        assert sum(map(int, re.findall(r"[+-]?\d", text))) == int(row["reference"])


def test_a_worked_answer():
    expression = Expression(6, (-1, 1, 2))
    assert str(expression) == "6-1+1+2"
    assert worked_answer(expression, NO_ERRORS, random.Random(0)) == "6-1=5+1=6+2=8"


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_worked_answers_without_errors_are_right_in_every_step(seed):
    drawn = expressions(
        task(seed=seed, levels={"a": {"operations": [4], "train": 3, "validation": 1, "test": 1}})
    )
    for x in drawn["train"]["a"]:
        answer = worked_answer(x, NO_ERRORS, random.Random(seed))
        assert all(before + operand == after for before, operand, after in steps(answer))
        assert steps(answer)[-1][2] == x.value


def test_noise_has_the_rate_asked_for_and_is_off_by_one():
    noise, random_ = 0.3, random.Random(0)
    # Far from the bounds, where an error would be clamped away.
    seen = [
        steps(worked_answer(Expression(5, (1, -1)), ErrorProcess(noise=noise), random_))
        for _ in range(4000)
    ]
    errors = [after - before - operand for answer in seen for before, operand, after in answer]
    assert set(errors) == {-1, 0, 1}
    rate = sum(error != 0 for error in errors) / len(errors)
    assert rate == pytest.approx(noise, abs=5 * (noise * (1 - noise) / len(errors)) ** 0.5)
    up = errors.count(1) / (errors.count(1) + errors.count(-1))
    assert up == pytest.approx(0.5, abs=0.06)


def test_systematic_errors_are_only_in_subtractions_of_four_and_more():
    rate, random_ = 0.6, random.Random(0)
    errors: dict[int, list[int]] = {}
    for _ in range(3000):
        # From high values down and up again: nothing is clamped.
        operands = random_.choice([(-3, 1), (-4, 3), (-5, 4), (-2, -4), (-1, -1)])
        answer = worked_answer(Expression(8, operands), ErrorProcess(systematic=rate), random_)
        for before, operand, after in steps(answer):
            errors.setdefault(operand, []).append(after - before - operand)
    for operand, found in errors.items():
        if operand <= -4:
            assert set(found) == {0, 1}
            assert sum(found) / len(found) == pytest.approx(rate, abs=0.07)
        else:
            assert set(found) == {0}


def test_errors_are_carried_on():
    answer = worked_answer(Expression(9, (-5, 1)), ErrorProcess(systematic=1), random.Random(0))
    assert answer == "9-5=5+1=6"


def test_erroneous_values_are_clamped():
    always = ErrorProcess(noise=1)
    for seed in range(20):
        answers = [
            worked_answer(Expression(8, (1, -9)), always, random.Random(seed)),
            worked_answer(Expression(1, (-1, 9)), always, random.Random(seed)),
        ]
        assert all(0 <= after <= 9 for answer in answers for _, _, after in steps(answer))


def test_the_corpus_draws_only_training_expressions_from_all_levels():
    rows = corpus(task(), ErrorProcess(noise=0.1), size=500, seed=3)
    assert len(rows) == len({row["prompt_id"] for row in rows}) == 500
    train = expressions(task())["train"]
    known = {str(x): x for level in train.values() for x in level}
    drawn = [row["messages"][0]["content"] for row in rows]
    assert set(drawn) <= set(known)
    for level in train.values():
        assert set(drawn) & {str(x) for x in level}
    assert all(row["reference"] == str(known[x].value) for row, x in zip(rows, drawn, strict=True))


def test_the_corpus_errs_anew_each_time_and_depends_on_its_seed():
    rows = corpus(task(), ErrorProcess(noise=0.5), size=500, seed=3)
    answers: dict[str, set[str]] = {}
    for row in rows:
        answers.setdefault(row["messages"][0]["content"], set()).add(row["response"])
    assert max(map(len, answers.values())) > 1
    assert rows == corpus(task(), ErrorProcess(noise=0.5), size=500, seed=3)
    assert rows != corpus(task(), ErrorProcess(noise=0.5), size=500, seed=4)


def test_the_stage_writes_the_three_tables_with_equal_bytes_each_time(tmp_path):
    for folder in ("one", "two"):
        build(task(), tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["test.parquet", "train.parquet", "validation.parquet"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
