"""The data of the figures: outputs of two tiny models, scored by both."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from askd.artifacts import PROMPTS, REWARDS, read_table, table_from_rows
from askd.config import Advantage, Rollout, Skewness
from askd.errors import AskdError
from askd.models.chat import prompt_tokens
from askd.models.folder import save
from askd.reporting.figures import data
from askd.reporting.figures.data import FiguresDataSettings, figures_data
from askd.reporting.figures.stage import figures
from askd.reporting.figures.tables import ALPHAS, CURVES, SEQUENCES, TOKENS
from askd.rollout.engine import requests, sample
from askd.rollout.score import score

SETTINGS = FiguresDataSettings(
    prompts=4,
    rollout=Rollout(samples_per_prompt=2, max_new_tokens=6),
    advantage=Advantage(),
    skewness=Skewness(),
    grader="arithmetic",
)


@pytest.fixture(scope="module")
def made(folders, prompts_path, tmp_path_factory):
    output = tmp_path_factory.mktemp("figures") / "data"
    figures_data(SETTINGS, 0, folders.teacher, folders.student, prompts_path, output)
    return output


@pytest.fixture(scope="module")
def graded(folders, prompts_path, tmp_path_factory):
    """The same, where the first output to each prompt counts as right."""
    output = tmp_path_factory.mktemp("figures") / "graded"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "grade", made_up(lambda row: row["sample_id"] == 0))
        figures_data(SETTINGS, 0, folders.teacher, folders.student, prompts_path, output)
    return output


def made_up(is_right):
    """A grader that decides by the row of the rollout."""

    def grade(rollouts, prompts, grader, sandbox, judge):
        return table_from_rows(
            [
                {
                    **{key: row[key] for key in ("prompt_id", "sample_id")},
                    "reward": float(is_right(row)),
                    "correct": is_right(row),
                    "reason": "",
                }
                for row in rollouts
            ],
            REWARDS,
        )

    return grade


def rows(folder, name, schema, side):
    table = read_table(folder / f"{name}.parquet", schema)
    return [row for row in table.to_pylist() if row["side"] == side]


@pytest.mark.parametrize("side", ["teacher", "student"])
def test_each_model_answers_the_drawn_prompts(made, side):
    sequences = rows(made, "sequences", SEQUENCES, side)
    counts = Counter(row["prompt_id"] for row in sequences)
    assert len(counts) == 4 and set(counts.values()) == {2}
    other = rows(made, "sequences", SEQUENCES, {"teacher": "student", "student": "teacher"}[side])
    assert {row["prompt_id"] for row in other} == set(counts)


@pytest.mark.parametrize("side", ["teacher", "student"])
def test_outputs_are_scored_by_both_models(
    made, side, teacher, loaded_student, prompts_path, prompt_rows
):
    drawn = {row["prompt_id"] for row in rows(made, "sequences", SEQUENCES, side)}
    prompts = [
        row for row in read_table(prompts_path, PROMPTS).to_pylist() if row["prompt_id"] in drawn
    ]
    sampler = {"teacher": teacher, "student": loaded_student}[side]
    sampled = sample(sampler, requests(sampler, prompts, 2), SETTINGS.rollout, 0, f"figures {side}")
    tokens = rows(made, "tokens", TOKENS, side)
    assert len(tokens) == sum(len(row["token_ids"]) for row in sampled)
    by_id = {row["prompt_id"]: row["messages"] for row in prompt_rows}
    responses = [
        (prompt_tokens(teacher.tokenizer, by_id[row["prompt_id"]]), row["token_ids"])
        for row in sampled
    ]
    for column, model in (("teacher_logprob", teacher), ("student_logprob", loaded_student)):
        expected = {
            (row["prompt_id"], row["sample_id"], position): logprob
            for row, logprobs in zip(sampled, score(model, responses, 8, 64), strict=True)
            for position, logprob in enumerate(logprobs, start=1)
        }
        for row in tokens:
            key = (row["prompt_id"], row["sample_id"], row["position"])
            assert row[column] == pytest.approx(expected[key], abs=1e-5)


@pytest.mark.parametrize("side", ["teacher", "student"])
def test_coefficients_agree_with_the_formula(graded, side):
    alphas = {
        (row["prompt_id"], row["sample_id"]): row["alpha"]
        for row in rows(graded, "sequences", SEQUENCES, side)
    }
    assert len(set(alphas.values())) == 2
    for row in rows(graded, "tokens", TOKENS, side):
        c = np.exp(row["teacher_logprob"] - row["student_logprob"])

        def formula(alpha, c=c):
            skl = alpha / (alpha + (1 - alpha) * c)
            return skl if side == "teacher" else np.log(c + alpha * (1 - c)) + skl - 1

        alpha = alphas[row["prompt_id"], row["sample_id"]]
        assert row["coefficient"] == pytest.approx(formula(alpha), abs=1e-6)
        np.testing.assert_allclose(row["coefficients"], formula(ALPHAS), atol=1e-6)


def test_the_figures_stage_reads_them(graded, tmp_path):
    figures(graded, SETTINGS.advantage, SETTINGS.skewness.beta, tmp_path)
    assert "4 training prompts, 2 times each" in (tmp_path / "captions.md").read_text()


def test_data_of_a_seed_are_the_same_again(made, askd_command, folders, prompts_path, tmp_path):
    def run(seed, output):
        result = askd_command(
            *("figures-data", "--settings", json.dumps(SETTINGS.model_dump(mode="json"))),
            *("--seed", seed, "--teacher", folders.teacher, "--student", folders.student),
            *("--prompts", prompts_path, "--output", output),
        )
        assert result.returncode == 0, result.stderr

    run(0, tmp_path / "again")
    run(1, tmp_path / "other")
    assert read_table(tmp_path / "again" / "curves.parquet", CURVES).num_rows > 0
    for name in ("tokens", "sequences", "curves"):
        path = f"{name}.parquet"
        same = (made / path).read_bytes()
        assert (tmp_path / "again" / path).read_bytes() == same
        assert ((tmp_path / "other" / path).read_bytes() == same) == (name == "curves")


@pytest.mark.parametrize(("sides", "expected"), [("joint", {True, False}), ("separate", set())])
def test_moments_of_both_sides_may_be_pooled(
    folders, prompts_path, tmp_path, monkeypatch, sides, expected
):
    sampled_sides = iter([True, False])  # the teacher's outputs are graded first, and all right

    def grade(*arguments):
        right = next(sampled_sides)
        return made_up(lambda row: right)(*arguments)

    monkeypatch.setattr(data, "grade", grade)
    settings = SETTINGS.model_copy(
        update={"advantage": Advantage(sides=sides, normalization="batch")}
    )
    figures_data(settings, 0, folders.teacher, folders.student, prompts_path, tmp_path)
    for side in ("teacher", "student"):
        advantages = {row["advantage"] for row in rows(tmp_path, "sequences", SEQUENCES, side)}
        assert {advantage > 0 for advantage in advantages - {0.0}} == expected & {side == "teacher"}


def test_models_of_different_tokenizers(folders, make_model, prompts_path, tmp_path):
    from askd.models.tokenizer import character_tokenizer

    tokenizer = character_tokenizer(64)
    tokenizer.chat_template += " "
    save(make_model(), tokenizer, tmp_path / "other")
    with pytest.raises(AskdError, match="chat templates differ"):
        figures_data(
            SETTINGS, 0, folders.teacher, tmp_path / "other", prompts_path, tmp_path / "made"
        )
    assert not (tmp_path / "made").exists()
