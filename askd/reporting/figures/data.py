"""The figures-data stage: outputs of a teacher and a student, scored by both, with their lambda."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from pydantic import Field, PositiveInt

from askd import objectives
from askd.artifacts import PROMPTS, read_table, table_from_rows, write_table
from askd.config import Advantage, Judge, Rollout, SandboxSettings, Skewness, Strict
from askd.models.folder import check_same_tokenizer, load
from askd.reporting.figures.tables import ALPHAS, CURVES, RATIOS, SEQUENCES, SIDES, TOKENS
from askd.rewards.grade import grade
from askd.rewards.project import project
from askd.rollout.engine import requests, sample
from askd.rollout.score import score

COEFFICIENTS = {
    "teacher": objectives.skew_kl_coefficient,
    "student": objectives.skew_reverse_kl_coefficient,
}
_CURVE_ALPHAS = np.linspace(0, 1, 201)


class FiguresDataSettings(Strict):
    """What the data of the figures read of the configuration."""

    prompts: PositiveInt = Field(default=200, description="Training prompts, or all if fewer.")
    rollout: Rollout = Field(description="Sampling of training responses.")
    advantage: Advantage = Field(description="Normalisation of rewards.")
    skewness: Skewness = Field(description="Projection to skewness.")
    head_chunk: PositiveInt = Field(
        default=1024, description="Response tokens whose logits exist at the same time."
    )
    grader: str = Field(description="Grader of the task.")
    sandbox: SandboxSettings | None = Field(
        default=None, description="Where the grader runs programs, if it does."
    )
    judge: Judge | None = Field(default=None, description="Who judges, if the grader asks a judge.")


def figures_data(
    settings: FiguresDataSettings,
    seed: int,
    teacher_folder: Path,
    student_folder: Path,
    prompts_path: Path,
    output: Path,
) -> None:
    """Write {tokens,sequences,curves}.parquet below `output`.

    Both models answer the same training prompts, which `seed` draws; the random numbers of the
    answers are apart from those of the training.

    Raises:
        AskdError: teacher and student do not share a tokenizer.
    """
    models = {"teacher": load(teacher_folder), "student": load(student_folder)}
    check_same_tokenizer(models["teacher"].tokenizer, models["student"].tokenizer)
    prompts = _draw(read_table(prompts_path, PROMPTS).to_pylist(), settings.prompts, seed)
    progress = sys.stderr.isatty()
    responses, rollouts, rewards = {}, {}, {}
    for side in SIDES:
        wanted = requests(models[side], prompts, settings.rollout.samples_per_prompt)
        rollouts[side] = sample(
            models[side], wanted, settings.rollout, seed, f"figures {side}", progress=progress
        )
        responses[side] = [
            (request.prompt, row["token_ids"])
            for request, row in zip(wanted, rollouts[side], strict=True)
        ]
        rewards[side] = grade(
            rollouts[side], prompts, settings.grader, settings.sandbox, settings.judge
        )
        print(f"{len(wanted)} outputs of the {side}", flush=True)
    tokens, sequences = [], []
    for side, other in zip(SIDES, reversed(SIDES), strict=True):
        skewness = project(
            rewards[side],
            settings.advantage,
            settings.skewness.beta,
            rewards[other] if settings.advantage.sides == "joint" else None,
        )
        outputs = [
            {"side": side, **rollout, **graded, **projected, "tokens": len(rollout["token_ids"])}
            for rollout, graded, projected in zip(
                rollouts[side], rewards[side].to_pylist(), skewness.to_pylist(), strict=True
            )
        ]
        logprobs = {
            name: score(
                model, responses[side], settings.rollout.batch_size, settings.head_chunk, progress
            )
            for name, model in models.items()
        }
        sequences += outputs
        tokens += _token_rows(side, outputs, logprobs)
    for name, rows, schema in (
        ("tokens", tokens, TOKENS),
        ("sequences", sequences, SEQUENCES),
        ("curves", _curve_rows(), CURVES),
    ):
        write_table(output / f"{name}.parquet", table_from_rows(rows, schema), schema)


def coefficient(
    side: str, student_logprobs: np.ndarray, teacher_logprobs: np.ndarray, alpha: np.ndarray
) -> np.ndarray:
    """lambda of single tokens for the divergence of `side`; one alpha for each token, [N]."""
    log_q, log_p, alphas = (
        torch.tensor(values, dtype=torch.float64)
        for values in (student_logprobs, teacher_logprobs, alpha)
    )
    return COEFFICIENTS[side](log_q, log_p, alphas, torch.arange(len(log_q))).numpy()


def _draw(rows: list[dict], count: int, seed: int) -> list[dict]:
    order = np.random.default_rng(seed).permutation(len(rows))[:count]
    return [rows[number] for number in sorted(order)]


def _token_rows(
    side: str, outputs: list[dict], logprobs: dict[str, list[list[float]]]
) -> list[dict]:
    log_p, log_q = (np.concatenate(logprobs[name]) for name in SIDES)
    lengths = [output["tokens"] for output in outputs]
    projected = coefficient(
        side, log_q, log_p, np.repeat([output["alpha"] for output in outputs], lengths)
    )
    on_grid = np.stack(
        [coefficient(side, log_q, log_p, np.full_like(log_q, alpha)) for alpha in ALPHAS], axis=1
    )
    places = [
        (output["prompt_id"], output["sample_id"], position)
        for output, length in zip(outputs, lengths, strict=True)
        for position in range(1, length + 1)
    ]
    return [
        {
            "side": side,
            "prompt_id": prompt_id,
            "sample_id": sample_id,
            "position": position,
            "teacher_logprob": log_p[row],
            "student_logprob": log_q[row],
            "coefficient": projected[row],
            "coefficients": on_grid[row],
        }
        for row, (prompt_id, sample_id, position) in enumerate(places)
    ]


def _curve_rows() -> list[dict]:
    # Only the ratio counts, so q may be anything; here log q = 0.
    log_q = np.zeros_like(_CURVE_ALPHAS)
    return [
        {"side": side, "ratio": ratio, "alpha": alpha, "coefficient": value}
        for side in SIDES
        for ratio in RATIOS
        for alpha, value in zip(
            _CURVE_ALPHAS,
            coefficient(side, log_q, log_q + np.log(ratio), _CURVE_ALPHAS),
            strict=True,
        )
    ]
