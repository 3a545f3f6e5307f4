"""A teacher's head that is padded wider than its student's, as 152064 against 151936 rows.

In miniature: heads of 152 and 136 rows for a tokenizer of 102 tokens. Rollouts and a training step
go through the real stages, and are compared with whole logits [T, V] of one sequence at a time,
cropped to the tokenizer.
"""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest
import torch

from askd.artifacts import (
    PROMPTS,
    ROLLOUTS,
    SCHEDULE,
    TRAINED_ON,
    read_table,
    table_from_rows,
    write_table,
)
from askd.config import Advantage, Method, Rollout, Skewness, Training
from askd.models.chat import prompt_tokens
from askd.models.folder import load, save
from askd.models.tokenizer import character_tokenizer
from askd.rollout.stage import rollout
from askd.training.stage import SideTables, TrainSettings, train

TOKENS = 102
ALPHA = 0.3
FULL = {"divergence": "skl", "estimator": "full_vocabulary", "skewness": ALPHA}
SAMPLED = {"divergence": "skl", "estimator": "sampled", "skewness": ALPHA}
LEARNING_RATE = 0.01


@pytest.fixture(scope="module")
def padded(tmp_path_factory, make_model):
    """Folders of both models; what the padding would say is loud enough to be noticed."""
    root = tmp_path_factory.mktemp("padded")
    for name, size, seed, width in (("teacher", 24, 1, 152), ("student", 16, 2, 136)):
        model = make_model(size, seed=seed, vocabulary=width)
        with torch.no_grad():
            model.get_output_embeddings().weight[TOKENS:] *= 4
        save(model, character_tokenizer(64), root / name)
    return root


@pytest.fixture(scope="module")
def teacher_rollouts(padded, prompts_path):
    path = padded / "rollouts.parquet"
    settings = Rollout(samples_per_prompt=2, max_new_tokens=8)
    with ExitStack() as states:
        rollout(
            padded / "teacher",
            prompts_path,
            None,
            settings,
            0,
            "teacher",
            path,
            padded / "state",
            states,
        )
    return path


def cropped_logprobs(model, prompt: list[int], response: list[int]) -> torch.Tensor:
    """log p over the tokenizer's tokens at each response token, from whole logits, [T, 102]."""
    logits = model(torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
    return logits[:, :TOKENS].log_softmax(-1)


def test_rollouts_are_drawn_from_the_cropped_head(padded, teacher_rollouts, prompt_rows):
    teacher = load(padded / "teacher")
    messages = {row["prompt_id"]: row["messages"] for row in prompt_rows}
    for row in read_table(teacher_rollouts, ROLLOUTS).to_pylist():
        assert max(row["token_ids"]) < TOKENS
        prompt = prompt_tokens(teacher.tokenizer, messages[row["prompt_id"]])
        with torch.no_grad():
            logprobs = cropped_logprobs(teacher.model, prompt, row["token_ids"])
        own = logprobs.gather(1, torch.tensor(row["token_ids"])[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(row["sampler_logprobs"]), own, atol=1e-5, rtol=0)


def dense_loss(term: dict, student, teacher, rows: list[dict], prompts: dict) -> torch.Tensor:
    """The mean over sequences of the mean over tokens of skew KL, with nothing of the project's.

    Full vocabulary: sum_v p log(p / m). Sampled: -(alpha q / m) log q of the sampled token, the
    factor held constant; m = (1 - alpha) p + alpha q.
    """
    losses = []
    for row in rows:
        prompt = prompt_tokens(student.tokenizer, prompts[row["prompt_id"]])
        q = cropped_logprobs(student.model, prompt, row["response"])
        with torch.no_grad():
            p = cropped_logprobs(teacher.model, prompt, row["response"])
        mixture = (1 - ALPHA) * p.exp() + ALPHA * q.exp()
        if term is FULL:
            losses.append((p.exp() * (p - mixture.log())).sum(-1).mean())
        else:
            share = (ALPHA * q.exp() / mixture).detach()
            sampled = torch.tensor(row["response"])[:, None]
            losses.append(-(share * q).gather(1, sampled).mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize("term", [FULL, SAMPLED], ids=["full vocabulary", "sampled"])
def test_a_step_equals_the_cropped_dense_one(
    padded, teacher_rollouts, prompts_path, prompt_rows, tmp_path, term
):
    names = [row["prompt_id"] for row in prompt_rows]
    schedule = tmp_path / "schedule.parquet"
    steps = [{"round": 0, "step": 0, "prompt_id": name} for name in names]
    write_table(schedule, table_from_rows(steps, SCHEDULE), SCHEDULE)
    settings = TrainSettings(
        name="padded",
        method=Method(label="skew KL", tgo=term),
        learning_rate=LEARNING_RATE,
        rounds=1,
        training=Training(
            learning_rate=LEARNING_RATE,
            steps_per_round=1,
            prompts_per_step=len(names),
            micro_batch_size=5,
            head_chunk=7,
            warmup_steps=0,
            max_grad_norm=1e9,
        ),
        rollout=Rollout(samples_per_prompt=2, max_new_tokens=8),
        advantage=Advantage(),
        skewness=Skewness(),
        grader="arithmetic",
    )
    with ExitStack() as states:
        train(
            *(settings, 0, 0, padded / "student", padded / "teacher", prompts_path, schedule),
            *(SideTables(teacher_rollouts), None, tmp_path / "out", tmp_path / "state", states),
        )

    student, teacher = load(padded / "student"), load(padded / "teacher")
    rows = read_table(tmp_path / "out" / "trained_on.parquet", TRAINED_ON).to_pylist()
    assert len(rows) == 2 * len(names)
    prompts = {
        row["prompt_id"]: row["messages"] for row in read_table(prompts_path, PROMPTS).to_pylist()
    }
    loss = dense_loss(term, student, teacher, rows, prompts)
    optimizer = torch.optim.AdamW(
        student.model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0
    )
    loss.backward()
    norm = torch.stack([weight.grad.norm() for weight in student.model.parameters()]).norm()

    log = json.loads((tmp_path / "out" / "metrics.jsonl").read_text().splitlines()[0])
    assert log["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert log["grad_norm"] == pytest.approx(norm.item(), rel=1e-4)

    before = student.model.get_output_embeddings().weight.detach().clone()
    # AdamW's first step is the sign of the gradient, which is chance where there is almost none.
    clear = {name: weight.grad.abs() > 1e-5 for name, weight in student.model.named_parameters()}
    optimizer.step()
    trained = load(tmp_path / "out" / "model").model
    for name, weight in student.model.named_parameters():
        found = trained.get_parameter(name)
        assert clear[name].any()
        torch.testing.assert_close(found[clear[name]], weight[clear[name]], atol=1e-4, rtol=0)
    # The padding took part in nothing, and so is what it was.
    assert torch.equal(trained.get_output_embeddings().weight[TOKENS:], before[TOKENS:])
    assert not torch.equal(trained.get_output_embeddings().weight[:TOKENS], before[:TOKENS])
