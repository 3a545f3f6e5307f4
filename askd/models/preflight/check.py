"""The check of a pair: cheap things first, and the weights only where nothing else is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from askd.artifacts import write_json
from askd.config import Lora, Rollout
from askd.models.folder import LanguageModel, default_device, load
from askd.models.preflight.likelihood import (
    check_likelihood,
    compare_likelihood,
    logprobs_of_texts,
    nats_per_token,
)
from askd.models.preflight.memory import BYTES, Shape
from askd.models.preflight.report import Report
from askd.models.preflight.resources import (
    GIB,
    adapter_weights,
    check_disk,
    check_mixing_memory,
    check_sampling_memory,
    check_training_memory,
    device_memory,
)
from askd.models.preflight.samples import own_prompts
from askd.models.preflight.tokens import (
    check_chat,
    check_context,
    check_ends,
    check_room_in_vllm,
    check_tokenizers,
)
from askd.models.preflight.weights import check_folder_of


@dataclass(frozen=True)
class Workload:
    """What the pair is meant to do.

    `prompts` is a prompts table, `rollout` says how its answers are sampled and `mixes` whether
    teacher and student do so together for some method; `dtype` is that of a training's matrix
    products and frozen weights; `memory` (GiB) stands for a device that this machine lacks.
    """

    prompts: Path | None = None
    rollout: Rollout = field(default_factory=lambda: Rollout(max_new_tokens=128, batch_size=32))
    mixes: bool = False
    micro_batch: int = 8
    head_chunk: int = 1024
    dtype: str = "float32"
    lora: Lora | None = None
    checkpointing: bool = False
    device: str | None = None
    memory: float | None = None
    results: Path = Path(".")


def check(teacher_folder: Path, student_folder: Path, workload: Workload) -> Report:
    """All findings about the pair.

    Raises:
        AskdError: the prompts table cannot be read, or there is no such device.
    """
    report = Report()
    own = own_prompts(workload.prompts)
    device = workload.device or str(default_device())
    here = device_memory(device) if workload.memory is None else workload.memory * GIB
    teacher, student = (
        check_folder_of(report, role, Path(folder), workload.dtype)
        for role, folder in (("teacher", teacher_folder), ("student", student_folder))
    )
    if teacher is None or student is None:
        report.add("all else", "note", "not looked at, since a folder cannot be read.")
        return report
    _check_pair(report, teacher, student, workload, own.conversations, int(here))
    if report.refused:
        report.add("likelihood", "note", "not measured, since the pair is refused already.")
        return report
    _check_weights(report, teacher, student, workload, own.answered)
    return report


def _check_pair(
    report: Report,
    teacher: LanguageModel,
    student: LanguageModel,
    workload: Workload,
    conversations: list[list[dict]],
    available: int,
) -> None:
    check_tokenizers(report, teacher, student)
    sides, rollout = {"teacher": teacher, "student": student}, workload.rollout
    shapes = Shape.of(teacher.model), Shape.of(student.model)
    adapters = workload.lora and adapter_weights(student.model, workload.lora)
    longest = check_chat(report, teacher, conversations)
    if longest is not None:
        # The template says how a turn ends.
        check_ends(report, teacher, student)
        for role, side in sides.items():
            check_context(report, role, side, longest, rollout.max_new_tokens)
        check_room_in_vllm(report, longest, rollout)
        tokens = longest + rollout.max_new_tokens
        dtypes = tuple(rollout.dtype or _kept_dtype(side) for side in sides.values())
        for (role, side), shape, dtype in zip(sides.items(), shapes, dtypes, strict=True):
            if rollout.engine == "openai" and side.folder.name in rollout.openai.servers:
                report.add(f"{role}: memory of sampling", "ok", "that of its server.")
            else:
                check_sampling_memory(report, role, shape, tokens, rollout, dtype, available)
        if workload.mixes:
            check_mixing_memory(report, shapes, tokens, rollout, dtypes, available)
        check_training_memory(
            report,
            *shapes,
            tokens,
            workload.micro_batch,
            workload.head_chunk,
            workload.dtype,
            available,
            adapters,
            workload.checkpointing,
        )
    check_disk(report, shapes[1], adapters, workload.results)


def _kept_dtype(side: LanguageModel) -> str:
    """The type that weights are loaded as where the settings name none: the folder's own."""
    kept = side.model.config.dtype
    return "float32" if kept is None else str(kept).removeprefix("torch.")


def _check_weights(
    report: Report,
    teacher: LanguageModel,
    student: LanguageModel,
    workload: Workload,
    answered: list[dict],
) -> None:
    """Load the models, one after the other, and score texts."""
    logprobs = {}
    for role, side in (("teacher", teacher), ("student", student)):
        needed = Shape.of(side.model).parameters * BYTES[workload.dtype]
        if needed > device_memory(str(default_device())):
            report.add(
                f"{role}: likelihood",
                "note",
                "not measured, since this machine cannot hold the weights; check again where the "
                "model will run.",
            )
            continue
        with report.refusing(f"{role}: weights"):
            loaded = load(side.folder, getattr(torch, workload.dtype))
            logprobs[role] = logprobs_of_texts(loaded, answered, workload.head_chunk)
            check_likelihood(report, role, loaded, nats_per_token(logprobs[role]))
            del loaded
    if len(logprobs) == 2 and not report.refused:
        compare_likelihood(report, logprobs["teacher"], logprobs["student"])


def write(report: Report, teacher: Path, student: Path, output: Path) -> None:
    """Write the report as JSON."""
    pair = {"teacher": str(teacher), "student": str(student)}
    write_json(output, pair | report.as_json())
