"""The rows of a step: which outputs of which side, with which numbers."""

from __future__ import annotations

import math

import pytest

from askd.artifacts import ROLLOUTS, SCORES, SKEWNESS, read_table
from askd.config import Method, validate
from askd.errors import AskdError
from askd.models.chat import prompt_tokens, response_tokens
from askd.training.rows import Outputs
from askd.training.source import RoundSource

STEPS = [["train-0", "train-1"], ["train-1", "train-2"]]
SKL = {"divergence": "skl", "estimator": "sampled", "skewness": "projected"}


@pytest.fixture
def source(loaded_student, prompt_rows, round_):
    """Makes the source of a method, with a record of the steps that it asks outputs for."""

    def make(method: Method, prompts=prompt_rows, scores: bool = True) -> RoundSource:
        asked: list[int] = []

        def outputs(tables, with_scores):
            others = [read_table(tables.skewness, SKEWNESS)]
            if with_scores:
                others.append(read_table(tables.scores, SCORES))
            return Outputs(read_table(tables.rollouts, ROLLOUTS), others, "here")

        student_outputs = outputs(round_.student, scores)

        def of_step(step: int) -> Outputs:
            asked.append(step)
            return student_outputs

        made = RoundSource(
            method,
            STEPS,
            {row["prompt_id"]: row for row in prompts},
            loaded_student.tokenizer,
            2,
            outputs(round_.teacher, False),
            of_step,
        )
        made.asked = asked
        return made

    return make


def by_key(path, schema) -> dict:
    return {
        (row["prompt_id"], row["sample_id"]): row for row in read_table(path, schema).to_pylist()
    }


def test_sizes(methods, source):
    for name, sides in (("sft", 0.5), ("gkd", 2), ("askd", 2)):
        made = source(methods[name])
        assert made.steps == 2
        assert made.rows_per_step == len(made.rows(0)) == 4 * sides


def test_references_are_worked_answers_with_one_end(methods, source, loaded_student, prompt_rows):
    rows = source(methods["sft"]).rows(0)
    tokenizer = loaded_student.tokenizer
    for row, prompt in zip(rows, prompt_rows[:2], strict=True):
        assert row.side == "reference"
        assert row.prompt == prompt_tokens(tokenizer, prompt["messages"])
        assert row.response == response_tokens(tokenizer, prompt["response"])
        assert row.response.count(tokenizer.eos_token_id) == 1
        assert row.kappa == 1 and math.isnan(row.reward)


def test_outputs_carry_their_own_numbers(methods, source, round_):
    rows = source(methods["askd"]).rows(1)
    assert [row.side for row in rows] == ["tgo"] * 4 + ["sgo"] * 4
    for side, tables in (("tgo", round_.teacher), ("sgo", round_.student)):
        rollouts, skewness = by_key(tables.rollouts, ROLLOUTS), by_key(tables.skewness, SKEWNESS)
        scores = by_key(tables.scores, SCORES)
        own = [row for row in rows if row.side == side]
        assert [(row.prompt_id, row.sample_id) for row in own] == [
            ("train-1", 0),
            ("train-1", 1),
            ("train-2", 0),
            ("train-2", 1),
        ]
        for row in own:
            key = (row.prompt_id, row.sample_id)
            assert row.response == rollouts[key]["token_ids"]
            assert row.alpha == skewness[key]["alpha"]
            assert row.advantage == skewness[key]["advantage"]
            assert row.kappa == (skewness[key]["kappa"] if side == "sgo" else 1.0)
            assert row.teacher_logprobs == pytest.approx(scores[key]["teacher_logprobs"], abs=1e-5)
            assert row.sampler_logprobs == rollouts[key]["sampler_logprobs"]


def test_only_a_clipped_term_drops_correct_samples(methods, source, round_):
    kappas = {row["kappa"] for row in by_key(round_.student.skewness, SKEWNESS).values()}
    assert kappas == {0.0, 1.0}
    rows = [row for step in (0, 1) for row in source(methods["askd"]).rows(step)]
    assert {row.kappa for row in rows if row.side == "sgo"} == {0.0, 1.0}
    free = validate(Method, {"label": "x", "sgo": {**SKL, "divergence": "srkl"}}, "x")
    assert {row.kappa for step in (0, 1) for row in source(free).rows(step)} == {1.0}


def test_teacher_outputs_without_scores_use_what_their_sampler_recorded(methods, source):
    for row in source(methods["askd"]).rows(0):
        if row.side == "tgo":
            assert row.teacher_logprobs == row.sampler_logprobs


def test_student_outputs_never_use_their_samplers_as_the_teachers(methods, source):
    for row in source(methods["askd"], scores=False).rows(0):
        assert (len(row.teacher_logprobs) == 0) == (row.side == "sgo")


def test_student_outputs_are_asked_for_when_their_step_is_taken(methods, source):
    made = source(methods["gkd"])
    made.rows(0)
    assert made.asked == [0]
    made.rows(1)
    assert made.asked == [0, 1]
    assert source(methods["sft"]).asked == []


def test_a_prompt_without_worked_answer_is_refused(methods, source, prompt_rows):
    bare = [{**row, "response": ""} for row in prompt_rows]
    with pytest.raises(
        AskdError, match=r"'train-0' has no `response`, .* the method SFT trains on"
    ):
        source(methods["sft"], bare).rows(0)
    source(methods["gkd"], bare).rows(0)
