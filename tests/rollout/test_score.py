"""Scores: the teacher's log-probabilities, whatever the batches and the order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from askd.artifacts import ROLLOUTS, SCORES, read_table, write_table
from askd.config import Rollout
from askd.errors import AskdError
from askd.models.folder import save
from askd.rollout.engine import requests, sample
from askd.rollout.score import score
from askd.rollout.stage import score_rollouts

SETTINGS = Rollout(max_new_tokens=6, batch_size=3)
RESPONSES = [
    ([3, 20, 30], [40, 41, 42, 43, 1]),
    ([3], [50]),
    ([5, 6, 7, 8, 9, 10, 11], [12, 1]),
    ([60, 61], [62, 63, 64]),
    ([3, 20, 30], [40, 1]),
]


def dense(model, vocabulary: int) -> list[list[float]]:
    result = []
    for prompt, response in RESPONSES:
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *response]])).logits[0, :, :vocabulary]
        logprobs = logits.log_softmax(-1)[len(prompt) - 1 : -1]
        result.append(logprobs.gather(1, torch.tensor(response)[:, None])[:, 0].tolist())
    return result


def assert_close(one, other) -> None:
    assert [len(x) for x in one] == [len(x) for x in other]
    assert np.allclose(np.concatenate(one), np.concatenate(other), atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_scores_are_those_of_the_dense_softmax_in_the_given_order(teacher, batch_size, chunk):
    scored = score(teacher, RESPONSES, batch_size, chunk)
    assert_close(scored, dense(teacher.model, 102))
    assert score(teacher, [], batch_size, chunk) == []


def test_the_padding_of_a_head_takes_no_mass(teacher, make_model):
    padded = dataclasses.replace(teacher, model=make_model(24, seed=4, vocabulary=150))
    assert_close(score(padded, RESPONSES, 2, 4), dense(padded.model, 102))


def test_a_teachers_scores_of_its_own_outputs_are_its_samplers(teacher, prompt_rows):
    wanted = requests(teacher, prompt_rows, 2)
    rows = sample(teacher, wanted, Rollout(max_new_tokens=8), 0, "test")
    pairs = [(request.prompt, row["token_ids"]) for request, row in zip(wanted, rows, strict=True)]
    assert_close(score(teacher, pairs, 3, 5), [row["sampler_logprobs"] for row in rows])


def test_the_stage_scores_every_rollout(folders, round_, prompts_path, tmp_path):
    output = tmp_path / "scores.parquet"
    rollouts = read_table(round_.student.rollouts, ROLLOUTS).to_pylist()
    score_rollouts(
        folders.teacher, folders.student, prompts_path, round_.student.rollouts, SETTINGS, 7, output
    )
    scores = read_table(output, SCORES).to_pylist()
    for rollout, scored in zip(rollouts, scores, strict=True):
        assert scored["sample_id"] == rollout["sample_id"]
        assert scored["prompt_id"] == rollout["prompt_id"]
        assert len(scored["teacher_logprobs"]) == len(rollout["token_ids"])
        assert max(scored["teacher_logprobs"]) <= 0


def test_a_student_of_another_tokenizer_is_refused(
    folders, round_, prompts_path, make_model, loaded_student, tmp_path
):
    from askd.models.tokenizer import character_tokenizer

    tokenizer = character_tokenizer(64)
    tokenizer.chat_template += " "
    save(make_model(), tokenizer, tmp_path / "other")
    with pytest.raises(AskdError, match="chat templates differ"):
        score_rollouts(
            folders.teacher,
            tmp_path / "other",
            prompts_path,
            round_.student.rollouts,
            SETTINGS,
            7,
            tmp_path / "scores.parquet",
        )
    assert not (tmp_path / "scores.parquet").exists()


def test_rollouts_of_other_prompts_are_refused(folders, round_, prompts_path, tmp_path):
    table = read_table(round_.student.rollouts, ROLLOUTS)
    strange = table.set_column(0, "prompt_id", [[f"other-{n}" for n in range(len(table))]])
    write_table(tmp_path / "rollouts.parquet", strange, ROLLOUTS)
    with pytest.raises(AskdError, match="other-0"):
        score_rollouts(
            folders.teacher,
            folders.student,
            prompts_path,
            tmp_path / "rollouts.parquet",
            SETTINGS,
            7,
            tmp_path / "scores.parquet",
        )
