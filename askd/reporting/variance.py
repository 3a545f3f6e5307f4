"""The variance stage: how noisy the gradient of each estimator of S(R)KL is, at real models.

Minibatches are made by the functions of the stages, each from prompts and samples of its own; the
gradients are those of training, before their norm is clipped. The gradients of all minibatches are
in memory at once, so that this is for small models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field, PositiveInt

from askd.artifacts import PROMPTS, ROLLOUTS, read_table, table_from_rows
from askd.config import Advantage, Judge, Method, Rollout, SandboxSettings, Skewness, Strict
from askd.errors import AskdError
from askd.evaluation.gradient_noise import SMALLEST, noise
from askd.models.folder import LanguageModel, check_same_tokenizer, load
from askd.reporting.gradient_variance import Cell, Measured, write
from askd.rewards.grade import grade
from askd.rewards.project import project
from askd.rollout.engine import requests, sample
from askd.rollout.stage import score_table
from askd.training.objective import Objective, Totals
from askd.training.rows import Outputs, Row
from askd.training.source import RoundSource

DIVERGENCES = {"tgo": "skl", "sgo": "srkl"}
# The fixed ones are DistiLLM-2's.
SKEWNESSES = {
    "tgo": {"fixed": {"skewness": 0.9}, "projected": {"skewness": "projected"}},
    "sgo": {
        "fixed": {"skewness": 0.1},
        "projected": {"skewness": "projected"},
        "projected, kappa": {"skewness": "projected", "clip_correct": True},
    },
}
REFERENCE = "full vocabulary"
_BOTH = {REFERENCE: {"estimator": "full_vocabulary"}, "sampled": {"estimator": "sampled"}}
# By side: SKL has neither logarithms to sum nor a constant.
ESTIMATORS = {
    "tgo": _BOTH,
    "sgo": {
        **_BOTH,
        "sampled, constant dropped": {"estimator": "sampled", "constant": "drop"},
        "sampled, reward to go": {"estimator": "sampled", "returns": "reward_to_go"},
    },
}


class LossSettings(Strict):
    """How the tokens of a minibatch add up to its loss, and how it is split to fit into memory."""

    reduction: Literal["sequence", "token"] = Field(description="As in training.")
    micro_batch_size: PositiveInt = Field(description="Sequences per forward pass.")
    head_chunk: PositiveInt = Field(
        description="Response tokens whose logits exist at the same time."
    )


class VarianceSettings(Strict):
    """What the measurement reads of the configuration."""

    rollout: Rollout = Field(description="Sampling of outputs.")
    advantage: Advantage = Field(description="Normalisation of their rewards.")
    skewness: Skewness = Field(description="Projection of their rewards.")
    training: LossSettings = Field(description="The loss of a minibatch.")
    grader: str = Field(description="Grader of the rewards.")
    sandbox: SandboxSettings | None = Field(
        default=None, description="Where the grader runs programs, if it does."
    )
    judge: Judge | None = Field(default=None, description="Who judges, if the grader asks a judge.")
    batches: Annotated[int, Field(ge=SMALLEST)] = Field(
        default=30, description="Independent minibatches."
    )
    prompts_per_batch: PositiveInt = Field(description="Prompts of a minibatch.")


@dataclass(frozen=True)
class _Answers:
    """Outputs of one model to the prompts of a minibatch."""

    rollouts: list[dict]
    scores: pa.Table
    rewards: pa.Table


def variance(
    settings: VarianceSettings,
    seed: int,
    teacher_folder: Path,
    student_folder: Path,
    near_folder: Path | None,
    prompts_path: Path,
    output: Path,
) -> None:
    """Write the noise of each estimator's gradient as OUTPUT.{csv,md}.

    It is measured at the untrained student, and at one that training brought near the teacher, if
    `near_folder` has one. Both see the same prompts and teacher outputs.

    Raises:
        AskdError: there are fewer prompts than a minibatch takes, or tokenizers differ.
    """
    prompts = read_table(prompts_path, PROMPTS).to_pylist()
    if len(prompts) < settings.prompts_per_batch:
        raise AskdError(
            f"{prompts_path}: a minibatch takes {settings.prompts_per_batch} prompts, and there "
            f"are {len(prompts)}; lower prompts_per_batch."
        )
    teacher = load(teacher_folder)
    students = {"untrained": load(student_folder)}
    if near_folder is not None:
        students["trained"] = load(near_folder)
    for student in students.values():
        check_same_tokenizer(teacher.tokenizer, student.tokenizer)
    random = np.random.default_rng(seed)
    minibatches = [
        [prompts[row] for row in random.permutation(len(prompts))[: settings.prompts_per_batch]]
        for _ in range(settings.batches)
    ]
    of_teacher = _answers(settings, teacher, teacher, minibatches, seed, "teacher")
    write(
        [
            _measure(settings, name, student, teacher, minibatches, of_teacher, seed)
            for name, student in students.items()
        ],
        settings.batches,
        settings.prompts_per_batch * settings.rollout.samples_per_prompt,
        output,
    )


def _answers(
    settings: VarianceSettings,
    model: LanguageModel,
    teacher: LanguageModel,
    minibatches: Sequence[list[dict]],
    seed: int,
    side: str,
) -> list[_Answers]:
    """Outputs of `model` to each minibatch, with the teacher's scores and their rewards."""
    answers = []
    for number, prompts in enumerate(minibatches):
        wanted = requests(model, prompts, settings.rollout.samples_per_prompt)
        stream = f"variance {side} minibatch {number}"
        rollouts = sample(model, wanted, settings.rollout, seed, stream)
        by_id = {prompt["prompt_id"]: prompt for prompt in prompts}
        scores = score_table(
            teacher, rollouts, by_id, settings.rollout.batch_size, settings.training.head_chunk
        )
        rewards = grade(rollouts, prompts, settings.grader, settings.sandbox, settings.judge)
        answers.append(_Answers(rollouts, scores, rewards))
    return answers


def _outputs(settings: VarianceSettings, own: _Answers, other: _Answers) -> Outputs:
    """The outputs as training reads them; `other` are those of the other side."""
    pooled = other.rewards if settings.advantage.sides == "joint" else None
    skewness = project(own.rewards, settings.advantage, settings.skewness.beta, pooled)
    rollouts = table_from_rows(own.rollouts, ROLLOUTS)
    return Outputs(rollouts, [own.scores, own.rewards, skewness], "minibatch")


def _measure(
    settings: VarianceSettings,
    name: str,
    student: LanguageModel,
    teacher: LanguageModel,
    minibatches: Sequence[list[dict]],
    of_teacher: Sequence[_Answers],
    seed: int,
) -> Measured:
    of_student = _answers(settings, student, teacher, minibatches, seed, "student")
    outputs = [
        (_outputs(settings, tgo, sgo), _outputs(settings, sgo, tgo))
        for tgo, sgo in zip(of_teacher, of_student, strict=True)
    ]
    cells = []
    for side, skewnesses in SKEWNESSES.items():
        for skewness, weighting in skewnesses.items():
            methods = {
                estimator: _method(side, {**options, **weighting})
                for estimator, options in ESTIMATORS[side].items()
            }
            # Estimators do not differ in what they read.
            rows = _rows(settings, methods[REFERENCE], student, minibatches, outputs)
            reference = _gradients(settings, methods[REFERENCE], student, teacher, rows)
            for estimator, method in methods.items():
                gradients = reference
                if estimator != REFERENCE:
                    gradients = _gradients(settings, method, student, teacher, rows)
                cells.append(Cell(side, skewness, estimator, noise(gradients, reference, seed)))
    return Measured(name, _accuracy(of_student), _log_ratio(of_student), cells)


def _method(side: str, options: dict) -> Method:
    """A method with one term."""
    return Method(label=side, **{side: {"divergence": DIVERGENCES[side], **options}})


def _rows(
    settings: VarianceSettings,
    method: Method,
    student: LanguageModel,
    minibatches: Sequence[list[dict]],
    outputs: Sequence[tuple[Outputs, Outputs]],
) -> list[list[Row]]:
    """The rows that `method` trains on, of each minibatch."""
    return [
        RoundSource(
            method,
            [[prompt["prompt_id"] for prompt in prompts]],
            {prompt["prompt_id"]: prompt for prompt in prompts},
            student.tokenizer,
            settings.rollout.samples_per_prompt,
            tgo,
            lambda _, sgo=sgo: sgo,
        ).rows(0)
        for prompts, (tgo, sgo) in zip(minibatches, outputs, strict=True)
    ]


def _gradients(
    settings: VarianceSettings,
    method: Method,
    student: LanguageModel,
    teacher: LanguageModel,
    minibatches: Sequence[list[Row]],
) -> np.ndarray:
    """The gradient of each minibatch, [M, P]."""
    objective = Objective(
        method,
        student.model,
        teacher.model if method.needs_teacher_model else None,
        student.vocabulary,
        student.tokenizer.pad_token_id,
        settings.training.reduction,
        settings.training.head_chunk,
    )
    size = settings.training.micro_batch_size
    return np.stack([gradient(objective, rows, size) for rows in minibatches])


def gradient(objective: Objective, rows: Sequence[Row], micro_batch_size: int) -> np.ndarray:
    """The gradient of the loss of `rows` with respect to all parameters of the student, [P].

    As in an optimizer step, clipped rows count in the mean and are not computed.
    """
    parameters = list(objective.student.parameters())
    total = torch.zeros(sum(parameter.numel() for parameter in parameters))
    totals = Totals(rows)
    kept = [row for row in rows if row.counts]
    for start in range(0, len(kept), micro_batch_size):
        loss, _ = objective(kept[start : start + micro_batch_size], totals)
        parts = torch.autograd.grad(loss, parameters, materialize_grads=True)
        total += torch.cat([part.flatten() for part in parts]).float().cpu()
    return total.numpy()


def _accuracy(answers: Sequence[_Answers]) -> float:
    return fmean(fmean(part.rewards.column("correct").to_pylist()) for part in answers)


def _log_ratio(answers: Sequence[_Answers]) -> float:
    """Mean over tokens of log q - log p, in nats."""
    return fmean(
        student - teacher
        for part in answers
        for row, teachers in zip(
            part.rollouts, part.scores.column("teacher_logprobs").to_pylist(), strict=True
        )
        for student, teacher in zip(row["sampler_logprobs"], teachers, strict=True)
    )
