"""The warm-start stage: a short supervised training on the answers of a task.

A pretrained teacher learns a task like this before it teaches, and a pruned student finds its way
back to one. The answers are the task's worked ones, or those of a teacher.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from pydantic import Field

from askd.artifacts import PROMPTS, read_table, write_json_lines
from askd.config import Rollout, SandboxSettings, Strict, Training, WarmStart
from askd.errors import AskdError
from askd.models.folder import (
    LanguageModel,
    check_same_tokenizer,
    file_digest,
    load,
    read_manifest,
    save,
)
from askd.models.supervised import accuracy, train_on_answers
from askd.provenance import digest
from askd.rollout.engine import requests, sample
from askd.state import resumable

# Shares of the steps with a rising learning rate, and of the peak at which the cosine ends.
WARMUP_FRACTION = 0.1
FINAL_FRACTION = 0.05
CHECKPOINT_EVERY = 50


class WarmStartSettings(Strict):
    """What a warm start reads of the configuration."""

    name: str = Field(description="Names the model in messages.")
    warm_start: WarmStart = Field(description="The answers and the training.")
    rollout: Rollout = Field(description="Sampling of a teacher's answers, and their length.")
    grader: str = Field(description="Grader of the task.")
    sandbox: SandboxSettings | None = Field(
        default=None, description="Where the grader runs programs, if it does."
    )


def warm_start(
    settings: WarmStartSettings,
    model_folder: Path,
    teacher_folder: Path | None,
    data: Path,
    output: Path,
    metrics: Path,
    state: Path,
) -> None:
    """Train the model in `model_folder`; write its folder to `output` and its log to `metrics`.

    A training that was killed resumes from its last checkpoint in `state`.

    Args:
        settings: what is read of the configuration.
        model_folder: the model.
        teacher_folder: the model whose answers are learnt; None for worked answers.
        data: folder of the task's prompts.
        output: folder to write.
        metrics: log to write.
        state: folder of the checkpoints.

    Raises:
        AskdError: prompts have no worked answer, a teacher ends none of its own or has another
            tokenizer, or the model answers too few validation prompts.
    """
    spec = settings.warm_start
    paths = {split: data / f"{split}.parquet" for split in ("train", "validation")}
    prompts = {split: read_table(path, PROMPTS).to_pylist() for split, path in paths.items()}
    chosen = in_epochs(prompts["train"], spec.steps * spec.batch_size, spec.seed)
    computed = {
        "settings": settings.model_dump(mode="json"),
        "code": digest(
            "askd.models.warm_start",
            "askd.objectives.likelihood",
            f"askd.rewards.{settings.grader}",
        ),
        "model": read_manifest(model_folder),
        "teacher": None if teacher_folder is None else read_manifest(teacher_folder),
        "prompts": [file_digest(path) for path in paths.values()],
    }
    with resumable(state, computed) as folder:
        language_model = load(model_folder)
        if teacher_folder is not None:
            teacher = load(teacher_folder)
            check_same_tokenizer(teacher.tokenizer, language_model.tokenizer)
            chosen = teacher_answers(teacher, chosen, settings)
        training = Training(
            learning_rate=spec.learning_rate,
            steps_per_round=spec.steps,
            prompts_per_step=spec.batch_size,
            micro_batch_size=spec.micro_batch_size,
            warmup_steps=round(WARMUP_FRACTION * spec.steps),
            final_learning_rate=FINAL_FRACTION,
            weight_decay=0.01,
            checkpoint_every=CHECKPOINT_EVERY,
        )
        log = train_on_answers(language_model, chosen, training, settings.name, folder / "training")
        reached = accuracy(
            language_model,
            prompts["validation"],
            settings.grader,
            settings.sandbox,
            "warm start",
            settings.rollout,
        )
        print(f"accuracy on validation prompts: {reached:.3f}", flush=True)
        if reached < spec.lowest_accuracy:
            raise AskdError(
                f"models.{settings.name}: after {spec.steps} steps the accuracy is {reached:.2f}, "
                f"below lowest_accuracy {spec.lowest_accuracy}; raise steps or learning_rate."
            )
        log.append({"step": spec.steps, "accuracy": reached})
        write_json_lines(metrics, log)
        save(language_model.model, language_model.tokenizer, output)


def in_epochs(rows: list[dict], size: int, seed: int) -> list[dict]:
    """`size` of the rows: all of them in a random order, then all in another, and so on."""
    random_ = random.Random(f"warm start {seed}")
    chosen: list[dict] = []
    while len(chosen) < size:
        chosen += random_.sample(rows, len(rows))
    # A step may span two epochs; its rows need names of their own.
    return [
        {**row, "prompt_id": f"{row['prompt_id']} {number:06d}"}
        for number, row in enumerate(chosen[:size])
    ]


def teacher_answers(
    teacher: LanguageModel, rows: list[dict], settings: WarmStartSettings
) -> list[dict]:
    """`rows` with an answer of the teacher to each as `response`.

    Answers that did not end within `max_new_tokens` are no examples of one; an ended answer takes
    the place of each, in order.

    Raises:
        AskdError: no answer ended.
    """
    sampled = sample(
        teacher,
        requests(teacher, rows, 1),
        settings.rollout,
        settings.warm_start.seed,
        "warm start",
        progress=sys.stderr.isatty(),
    )
    ended = [
        {**row, "response": answer["text"]}
        for row, answer in zip(rows, sampled, strict=True)
        if answer["finish_reason"] == "stop"
    ]
    if not ended:
        raise AskdError(
            f"models.{settings.name}: no answer of {settings.warm_start.teacher} ended within "
            f"rollout.max_new_tokens {settings.rollout.max_new_tokens}; raise it."
        )
    print(f"{len(ended)} of {len(rows)} answers of the teacher ended", flush=True)
    return [
        {**ended[number % len(ended)], "prompt_id": row["prompt_id"]}
        for number, row in enumerate(rows)
    ]
