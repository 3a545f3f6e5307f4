"""Joining the tables of a side, and the table of what was trained on."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from askd.artifacts import (
    REWARDS,
    ROLLOUTS,
    SCORES,
    TRAINED_ON,
    check_table,
    read_table,
    table_from_rows,
)
from askd.errors import AskdError
from askd.training.rows import Outputs, Row, trained_on


@pytest.fixture(scope="module")
def rollouts(round_) -> pa.Table:
    return read_table(round_.student.rollouts, ROLLOUTS)


@pytest.fixture(scope="module")
def scores(round_) -> pa.Table:
    return read_table(round_.student.scores, SCORES)


def test_rows_are_joined_by_key_whatever_their_order(rollouts, scores):
    reversed_ = scores.take(list(reversed(range(len(scores)))))
    expected = {
        (row["prompt_id"], row["sample_id"]): row["teacher_logprobs"] for row in scores.to_pylist()
    }
    outputs = Outputs(rollouts, [reversed_], "here")
    joined = outputs.of(["train-3", "train-0"])
    assert [(row["prompt_id"], row["sample_id"]) for row in joined] == [
        ("train-3", 0),
        ("train-3", 1),
        ("train-0", 0),
        ("train-0", 1),
    ]
    for row in joined:
        assert row["teacher_logprobs"] == expected[row["prompt_id"], row["sample_id"]]
        assert len(row["teacher_logprobs"]) == len(row["token_ids"])


def test_a_missing_row_is_refused(rollouts, scores):
    with pytest.raises(AskdError, match=r"here: no row with .*\('train-5', 1\)"):
        Outputs(rollouts, [scores.slice(0, len(scores) - 1)], "here")


def test_an_extra_row_is_refused(rollouts, scores):
    with pytest.raises(AskdError, match=r"here: the row .*\('train-5', 1\) matches no rollout"):
        Outputs(rollouts.slice(0, len(rollouts) - 1), [scores], "here")


def test_each_of_several_tables_is_checked(rollouts, scores, round_):
    rewards = read_table(round_.student.rewards, REWARDS)
    Outputs(rollouts, [scores, rewards], "here")
    with pytest.raises(AskdError, match="here: no row with"):
        Outputs(rollouts, [scores, rewards.slice(1)], "here")


def test_a_prompt_without_outputs_is_refused(rollouts):
    with pytest.raises(AskdError, match="here: no outputs for prompt 'train-9'"):
        Outputs(rollouts, [], "here").of(["train-1", "train-9"])


def test_what_was_trained_on_is_kept_as_it_was():
    row = Row(
        side="sgo",
        prompt_id="a",
        sample_id=1,
        prompt=[1, 2],
        response=[3, 1],
        text="x",
        alpha=0.25,
        kappa=0.0,
        outcome=0.75,
        reward=1.0,
        advantage=0.5,
        reason="correct",
        teacher_logprobs=[-0.5, -0.25],
        sampler_logprobs=[-1.0, -2.0],
        student_logprobs=[-1.5, -2.5],
    )
    reference = Row("reference", "a", 0, [1, 2], [3, 1], "x")
    table = check_table(trained_on([(0, row), (1, row), (1, reference)]), TRAINED_ON, "f")
    first, _, last = table.to_pylist()
    not_kept = {"prompt": [1, 2], "reason": "correct"}
    assert {**first, **not_kept} == {"step": 0, **vars(row)}
    assert last["sampler_logprobs"] == last["teacher_logprobs"] == last["student_logprobs"] == []
    assert math.isnan(last["reward"]) and last["alpha"] == last["kappa"] == 1.0
    assert last["outcome"] == 0.0


@pytest.mark.parametrize(
    ("kappa", "outcome", "counts"),
    [(1.0, 0.0, True), (0.0, 0.5, True), (1.0, -0.5, True), (0.0, 0.0, False)],
)
def test_a_row_counts_by_its_divergence_or_its_outcome(kappa, outcome, counts):
    row = Row("sgo", "a", 0, [1], [2], "x", kappa=kappa, outcome=outcome)
    assert row.counts == counts


def test_the_table_has_no_row_twice():
    row = Row("reference", "a", 0, [1], [2], "x")
    with pytest.raises(AskdError, match="same key"):
        check_table(trained_on([(0, row), (0, row)]), TRAINED_ON, "f")


def test_scores_of_other_responses_are_refused(rollouts, scores):
    rows = scores.to_pylist()
    rows[2]["teacher_logprobs"] = rows[2]["teacher_logprobs"][:-1]
    with pytest.raises(AskdError, match="train-1"):
        Outputs(rollouts, [table_from_rows(rows, SCORES)], "here")
