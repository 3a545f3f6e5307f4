"""The rows of a step: which outputs of which side, with which numbers."""

from __future__ import annotations

import itertools
import math

import pytest

from askd.artifacts import JOINT_ROLLOUTS, ROLLOUTS, SCORES, SKEWNESS, read_table
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

        def outputs(tables, with_scores, schema=ROLLOUTS):
            others = [read_table(tables.skewness, SKEWNESS)]
            if with_scores:
                others.append(read_table(tables.scores, SCORES))
            return Outputs(read_table(tables.rollouts, schema), others, "here")

        if method.policy is None:
            student_outputs = outputs(round_.student, scores)
        else:
            joint = getattr(round_, method.policy.kind)
            student_outputs = outputs(joint, scores, JOINT_ROLLOUTS)

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


# Which sequences each method trains on: the data set's, the teacher's, the student's, or those of
# student and teacher together.
TRAINS_ON = {
    "sft": ["reference"],
    "kd": ["reference"],
    "seqkd": ["tgo"],
    "imitkd": ["sgo"],
    "gkd": ["tgo", "sgo"],
    "akl": ["reference"],
    "minillm": ["mixture"],
    "speculative-kd": ["speculative"],
    "distillm2": ["tgo", "sgo"],
    "askd": ["tgo", "sgo"],
    "askd-plus": ["tgo", "sgo"],
    "askd-wo-1": ["tgo", "sgo"],
    "askd-wo-2": ["tgo", "sgo"],
    "askd-wo-3": ["tgo", "sgo"],
    "askd-wo-2-3": ["tgo", "sgo"],
    "grpo": ["tgo", "sgo"],
    "askd-beta-0.5": ["tgo", "sgo"],
    "askd-beta-1": ["tgo", "sgo"],
    "askd-beta-2": ["tgo", "sgo"],
    "askd-batch": ["tgo", "sgo"],
    "askd-no-constant": ["tgo", "sgo"],
    "askd-reward-to-go": ["tgo", "sgo"],
    "askd-wo-1-2-3": ["tgo", "sgo"],
    "askd-stale": ["tgo", "sgo"],
    "askd-stale-ratio": ["tgo", "sgo"],
}


def test_every_shipped_method_trains_on_its_sides_alone(
    methods, source, round_, loaded_student, prompt_rows
):
    """The tokens of a row are those of the table of its side, and of no other."""
    assert set(TRAINS_ON) == set(methods)
    answers = {
        (row["prompt_id"], 0): response_tokens(loaded_student.tokenizer, row["response"])
        for row in prompt_rows
    }
    tokens = {
        "reference": answers,
        **{
            name: {key: row["token_ids"] for key, row in by_key(tables.rollouts, ROLLOUTS).items()}
            for name, tables in (
                ("tgo", round_.teacher),
                ("sgo", round_.student),
                ("mixture", round_.mixture),
                ("speculative", round_.speculative),
            )
        },
    }
    for one, other in itertools.combinations(("tgo", "sgo", "mixture", "speculative"), 2):
        same = [tokens[one][key] == tokens[other][key] for key in tokens[one]]
        assert sum(same) < len(same) / 4
    for name, method in methods.items():
        rows = source(method).rows(0)
        joint = {} if method.policy is None else {"sgo": method.policy.kind}
        origins = [joint.get(row.side, row.side) for row in rows]
        assert list(dict.fromkeys(origins)) == TRAINS_ON[name], name
        for row, origin in zip(rows, origins, strict=True):
            assert row.response == tokens[origin][row.prompt_id, row.sample_id], name


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


def test_outcomes_are_beside_the_other_samples_of_the_prompt_and_side(methods, source):
    for step in (0, 1):
        rows = source(methods["askd-plus"]).rows(step)
        for row in rows:
            # Two samples of each prompt: the other one is the whole baseline.
            [other] = [
                other
                for other in rows
                if (other.side, other.prompt_id) == (row.side, row.prompt_id) and other is not row
            ]
            if row.side == "tgo":
                expected = row.alpha - other.alpha
            else:
                expected = row.kappa * (row.alpha - 1) - other.kappa * (other.alpha - 1)
            assert row.outcome == pytest.approx(expected, abs=1e-15)
        assert {row.side for row in rows if row.outcome} == {"tgo", "sgo"}


def test_a_clipped_answer_has_an_outcome_and_counts(methods, source):
    rows = [row for step in (0, 1) for row in source(methods["askd-plus"]).rows(step)]
    clipped = [row for row in rows if row.kappa == 0]
    assert clipped and all(row.outcome > 0 for row in clipped if row.outcome)
    assert any(row.counts for row in clipped)
    for row in rows:
        assert row.counts == (row.kappa != 0 or row.outcome != 0)


def test_a_projected_skewness_alone_gives_no_outcome(methods, source):
    for name in set(TRAINS_ON) - {"askd-plus"}:
        for row in source(methods[name]).rows(0):
            assert row.outcome == 0.0
            assert row.counts == (row.kappa != 0)


def test_student_outputs_never_use_their_samplers_as_the_teachers(methods, source):
    for row in source(methods["askd"], scores=False).rows(0):
        assert (len(row.teacher_logprobs) == 0) == (row.side == "sgo")


def test_only_joint_outputs_have_log_probabilities_of_the_student_apart(methods, source, round_):
    for row in source(methods["askd"]).rows(0):
        assert row.student_logprobs == ()
        assert row.old_logprobs == row.sampler_logprobs
    for name in ("speculative-kd", "minillm"):
        rollouts = by_key(getattr(round_, methods[name].policy.kind).rollouts, JOINT_ROLLOUTS)
        for row in source(methods[name]).rows(0):
            rollout = rollouts[row.prompt_id, row.sample_id]
            assert row.sampler_logprobs == rollout["sampler_logprobs"] != row.student_logprobs
            assert row.old_logprobs == row.student_logprobs == rollout["student_logprobs"]


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
