"""The train stage: one round of one method."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pydantic import Field

from askd.artifacts import (
    PROMPTS,
    REWARDS,
    SCHEDULE,
    SCORES,
    SKEWNESS,
    TRAINED_ON,
    read_table,
    write_json_lines,
    write_table,
)
from askd.config import (
    Advantage,
    Method,
    Policy,
    Rollout,
    SandboxSettings,
    Skewness,
    Strict,
    Training,
    grader_module,
)
from askd.errors import AskdError
from askd.models.folder import (
    LanguageModel,
    check_same_tokenizer,
    file_digest,
    load,
    load_tokenizer,
    read_manifest,
    save,
)
from askd.provenance import digest
from askd.rollout.engine import end_tokens, rollouts_schema
from askd.state import resumable
from askd.training.lora import adapt, merge
from askd.training.objective import Objective
from askd.training.refresh import StudentOutputs
from askd.training.rows import Outputs
from askd.training.source import RoundSource
from askd.training.trainer import DistillationTrainer


class TrainSettings(Strict):
    """What a training reads of the configuration."""

    name: str = Field(description="Names the run in messages: pair, method, seed.")
    method: Method = Field(description="The method.")
    learning_rate: float = Field(description="Peak learning rate.")
    rounds: int = Field(description="Number of rounds of the run.")
    training: Training = Field(description="Optimizer, batches, refresh.")
    rollout: Rollout = Field(description="Sampling of refreshed student outputs.")
    advantage: Advantage = Field(description="Normalisation of their rewards.")
    skewness: Skewness = Field(description="Projection of their rewards.")
    grader: str = Field(description="Grader of their rewards.")
    sandbox: SandboxSettings | None = Field(
        default=None, description="Where the grader runs programs, if it does."
    )


@dataclass(frozen=True)
class SideTables:
    """Paths of the tables of one side; those that the method does not read are None."""

    rollouts: Path
    scores: Path | None = None
    rewards: Path | None = None
    skewness: Path | None = None

    def read(self, policy: Policy | None) -> Outputs:
        """The tables, joined; `policy` is the one that the rollouts were sampled with."""
        others = [
            read_table(path, schema)
            for path, schema in (
                (self.scores, SCORES),
                (self.rewards, REWARDS),
                (self.skewness, SKEWNESS),
            )
            if path is not None
        ]
        rollouts = read_table(self.rollouts, rollouts_schema(policy))
        return Outputs(rollouts, others, self.rollouts.parent)


def train(
    settings: TrainSettings,
    seed: int,
    round_: int,
    student_folder: Path,
    teacher_folder: Path,
    prompts_path: Path,
    schedule_path: Path,
    teacher_tables: SideTables | None,
    student_tables: SideTables | None,
    output: Path,
    state: Path,
) -> None:
    """Train the student of `round_` and write model, metrics.jsonl and trained_on.parquet.

    A killed training resumes from its last checkpoint in `state` and ends with the same bytes.

    Raises:
        AskdError: a table is missing or does not match, the tokenizers of teacher and student
            differ, an adapter has no layer, a row exceeds the context, or the loss is not finite.
    """
    method, training = settings.method, settings.training
    tables = {"tgo": teacher_tables, "sgo": student_tables}
    for side in tables.keys() & method.terms.keys():
        _check_tables(settings, side, tables[side])
    # Everything is read before a model is loaded: bad input shows at once.
    outputs = {
        side: tables[side].read(policy) if side in method.terms else None
        for side, policy in (("tgo", None), ("sgo", method.policy))
    }
    prompts = {row["prompt_id"]: row for row in read_table(prompts_path, PROMPTS).to_pylist()}
    schedule = _steps_of_round(read_table(schedule_path, SCHEDULE), round_)
    refreshes = "sgo" in method.terms and training.refresh_every > 0
    # Of adapters' first weights and dropout; an objective is deterministic by its inputs.
    torch_seed = int(np.random.SeedSequence((seed, round_)).generate_state(1)[0])
    torch.manual_seed(torch_seed)
    computed = {
        "code": digest(
            "askd.training.stage",
            *method.objective_modules,
            grader_module(settings.grader),
        ),
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "round": round_,
        "student": read_manifest(student_folder),
        "teacher": read_manifest(teacher_folder),
        "tables": [
            file_digest(path)
            for path in (prompts_path, schedule_path, *_paths(teacher_tables, student_tables))
        ],
    }
    with resumable(state, computed) as folder:
        dtype = getattr(torch, training.dtype)
        # Weights that are trained stay float32: most steps are too small for bfloat16 to hold.
        student = load(student_folder, dtype if training.lora else torch.float32)
        adapted = training.lora and adapt(student.model, training.lora, settings.name)
        check_same_tokenizer(load_tokenizer(teacher_folder), student.tokenizer)
        teacher: LanguageModel | None = None
        samples = method.policy is not None or method.is_sampled("sgo")
        if method.needs_teacher_model or (refreshes and samples):
            teacher = load(teacher_folder, dtype)
        student_outputs = None
        if "sgo" in method.terms:
            student_outputs = StudentOutputs(
                first=outputs["sgo"],
                window=training.refresh_every,
                method=method,
                schedule=schedule,
                prompts=prompts,
                student=student,
                teacher=teacher,
                rollout=settings.rollout,
                advantage=settings.advantage,
                beta=settings.skewness.beta,
                grader=settings.grader,
                sandbox=settings.sandbox,
                head_chunk=training.head_chunk,
                seed=seed,
                stream=f"student round {round_}",
            )
        source = RoundSource(
            method,
            schedule,
            prompts,
            student.tokenizer,
            settings.rollout.samples_per_prompt,
            outputs["tgo"],
            student_outputs,
        )
        source.check_context(student.context)
        objective = Objective(
            method,
            student.model,
            teacher.model if teacher and method.needs_teacher_model else None,
            student.vocabulary,
            student.tokenizer.pad_token_id,
            training.reduction,
            training.head_chunk,
        )
        trainer = DistillationTrainer(
            adapted or student.model,
            source,
            objective,
            training,
            settings.learning_rate,
            first_step=round_ * training.steps_per_round,
            total_steps=settings.rounds * training.steps_per_round,
            state=folder,
            name=settings.name,
            seed=torch_seed,
        )
        rows, log = trainer.run()
        write_table(output / "trained_on.parquet", rows, TRAINED_ON)
        write_json_lines(output / "metrics.jsonl", log)
        model = merge(adapted) if adapted else student.model
        # A base model learned to end its turns; whoever loads it elsewhere must know how it does.
        model.generation_config.eos_token_id = end_tokens(student)
        save(model, student.tokenizer, output / "model")


def _check_tables(settings: TrainSettings, side: str, tables: SideTables | None) -> None:
    """Refuse to train a term without a table that it reads; it would read a default unseen."""
    if tables is None:
        raise AskdError(f"{settings.name}: the method has a term on {side}; give its tables.")
    method = settings.method
    needed = {
        # Teacher outputs that were sampled unwarped carry their teacher log-probabilities.
        "scores": method.is_sampled(side) and (side == "sgo" or not settings.rollout.is_plain),
        "rewards": method.uses_rewards(side),
        "skewness": method.uses_rewards(side),
    }
    for name, is_needed in needed.items():
        if is_needed and getattr(tables, name) is None:
            raise AskdError(f"{settings.name}: the term on {side} reads {name}; give that table.")


def _paths(*sides: SideTables | None) -> list[Path]:
    """The tables that are given, in a fixed order."""
    return [path for side in sides if side is not None for path in vars(side).values() if path]


def _steps_of_round(table: pa.Table, round_: int) -> list[list[str]]:
    steps: dict[int, list[str]] = {}
    for row in table.to_pylist():
        if row["round"] == round_:
            steps.setdefault(row["step"], []).append(row["prompt_id"])
    if not steps:
        raise AskdError(f"the schedule has no round {round_}; run its stage again.")
    return [steps[step] for step in sorted(steps)]
