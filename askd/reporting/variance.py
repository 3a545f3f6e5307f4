"""The variance-data stage: how noisy the gradient of each estimator of S(R)KL is, at real models.

Minibatches are made by the functions of the stages, each from prompts and samples of its own; the
gradients are those of training, before their norm is clipped. The gradients of all minibatches and
estimators of a side are in memory at once, so that this is for small models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, PositiveInt

from askd.artifacts import PROMPTS, ROLLOUTS, read_table, table_from_rows, write_text
from askd.config import Advantage, Judge, Method, Rollout, SandboxSettings, Skewness, Strict
from askd.errors import AskdError
from askd.evaluation.gradient_noise import SMALLEST, noise
from askd.models.folder import LanguageModel, check_same_tokenizer, load
from askd.reporting.gradient_variance import Cell, Measured, as_csv
from askd.reporting.shared_gradients import gradients
from askd.rewards.grade import grade
from askd.rewards.project import project
from askd.rollout.engine import requests, sample
from askd.rollout.stage import score_table
from askd.training.objective import Objective
from askd.training.rows import Outputs, Row
from askd.training.source import RoundSource

DIVERGENCES = {"tgo": "skl", "sgo": "srkl"}
# By side. Without a skew they are the forward and the reverse KL; the fixed ones are DistiLLM-2's.
SKEWNESSES = {
    "tgo": {
        "vanilla": {"skewness": 1.0},
        "fixed": {"skewness": 0.9},
        "projected": {"skewness": "projected"},
    },
    "sgo": {
        "vanilla": {"skewness": 0.0},
        "fixed": {"skewness": 0.1},
        "projected": {"skewness": "projected"},
        "projected, kappa": {"skewness": "projected", "clip_correct": True},
    },
}
# The skewness of ASKD, which ASKD+ shares.
ASKD = {"tgo": "projected", "sgo": "projected, kappa"}
REFERENCE = "full vocabulary"
OUTCOME = "full vocabulary, outcome"
_FULL, _SAMPLED = {"estimator": "full_vocabulary"}, {"estimator": "sampled"}
# What else is measured at a skewness that a method of the paper has.
FORMS = {
    "sampled, sequence mixture": {**_SAMPLED, "form": "sequence_mixture"},
    "sampled, product (printed)": {**_SAMPLED, "form": "product"},
}
# By side: SKL has neither logarithms to sum nor a constant.
ESTIMATORS = {
    "tgo": {REFERENCE: _FULL, "sampled": _SAMPLED},
    "sgo": {
        REFERENCE: _FULL,
        "sampled": _SAMPLED,
        "sampled, constant dropped": {**_SAMPLED, "constant": "drop"},
        "sampled, reward to go": {**_SAMPLED, "returns": "reward_to_go"},
    },
}


def methods(side: str) -> dict[tuple[str, str], Method]:
    """What is measured on a side: methods of one term, by skewness and estimator."""
    found = {}
    for skewness, weighting in SKEWNESSES[side].items():
        estimators = dict(ESTIMATORS[side])
        if skewness in ("fixed", ASKD[side]):
            estimators |= FORMS
        if skewness == ASKD[side]:
            estimators[OUTCOME] = {**_FULL, "outcome": "leave_one_out"}
        for estimator, options in estimators.items():
            term = {"divergence": DIVERGENCES[side], **options, **weighting}
            found[skewness, estimator] = Method(label=side, **{side: term})
    return found


class LossSettings(Strict):
    """How the tokens of a minibatch add up to its loss, and how it is split to fit into memory."""

    reduction: Literal["sequence", "token"] = Field(description="As in training.")
    micro_batch_size: PositiveInt = Field(description="Sequences per forward pass.")
    head_chunk: PositiveInt = Field(
        description="Response tokens whose logits exist at the same time."
    )


class VarianceSettings(Strict):
    """What the measurement reads of the configuration."""

    pair: str = Field(description="Name of the pair.")
    rollout: Rollout = Field(description="Sampling of outputs.")
    advantage: Advantage = Field(description="Normalisation of their rewards.")
    skewness: Skewness = Field(description="Projection of their rewards.")
    training: LossSettings = Field(description="The loss of a minibatch.")
    grader: str = Field(description="Grader of the rewards.")
    sandbox: SandboxSettings | None = Field(
        default=None, description="Where the grader runs programs, if it does."
    )
    judge: Judge | None = Field(default=None, description="Who judges, if the grader asks a judge.")
    batches: Annotated[int, Field(ge=SMALLEST)] = Field(description="Independent minibatches.")
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
    """Write the noise of each estimator's gradient on a pair as the CSV file `output`.

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
    measured = [
        _measure(settings, name, student, teacher, minibatches, of_teacher, seed)
        for name, student in students.items()
    ]
    write_text(output, as_csv(settings.pair, measured))


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
    for side in DIVERGENCES:
        named = methods(side)
        found = _gradients(settings, named, student, teacher, minibatches, outputs)
        for (skewness, estimator), own in found.items():
            reference = found[skewness, REFERENCE]
            cells.append(Cell(side, skewness, estimator, noise(own, reference, seed)))
    return Measured(name, _accuracy(of_student), _log_ratio(of_student), cells)


def _gradients(
    settings: VarianceSettings,
    named: dict[tuple[str, str], Method],
    student: LanguageModel,
    teacher: LanguageModel,
    minibatches: Sequence[list[dict]],
    outputs: Sequence[tuple[Outputs, Outputs]],
) -> dict[tuple[str, str], np.ndarray]:
    """The gradient of each minibatch, [M, P], of each method."""
    objectives = [
        Objective(
            method,
            student.model,
            teacher.model,
            student.vocabulary,
            student.tokenizer.pad_token_id,
            settings.training.reduction,
            settings.training.head_chunk,
        )
        for method in named.values()
    ]
    found = []
    for prompts, sides in zip(minibatches, outputs, strict=True):
        rows = cache(partial(_rows, settings, student, prompts, *sides))
        losses = [(one, rows(*_read(one.method))) for one in objectives]
        found.append(gradients(losses, settings.training.micro_batch_size))
    return dict(zip(named, np.stack(found, axis=1), strict=True))


def _read(method: Method) -> tuple[str, bool, str]:
    """What rows of a method of one term depend on: its side, kappa, and outcomes."""
    ((side, term),) = method.terms.items()
    return side, term.clip_correct, getattr(term, "outcome", "none")


def _rows(
    settings: VarianceSettings,
    student: LanguageModel,
    prompts: list[dict],
    tgo: Outputs,
    sgo: Outputs,
    side: str,
    clip_correct: bool,
    outcome: str,
) -> list[Row]:
    """The rows of a minibatch that methods train on which read the same of it."""
    term = {"divergence": DIVERGENCES[side], **_FULL, "skewness": "projected"}
    term |= {"clip_correct": clip_correct, "outcome": outcome}
    return RoundSource(
        Method(label=side, **{side: term}),
        [[prompt["prompt_id"] for prompt in prompts]],
        {prompt["prompt_id"]: prompt for prompt in prompts},
        student.tokenizer,
        settings.rollout.samples_per_prompt,
        tgo,
        lambda _: sgo,
    ).rows(0)


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
