"""Checks of the machine: memory of the device, and space on disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from askd.config import Lora, Rollout
from askd.errors import AskdError
from askd.models.preflight.memory import (
    Shape,
    disk_space,
    rollout_memory,
    training_memory,
    vllm_memory,
)
from askd.models.preflight.report import Report

GIB, MIB = 2**30, 2**20
# An estimate that fills more of a device than this leaves nothing for what it does not know.
COMFORTABLE = 0.9


def device_memory(device: str) -> int:
    """The memory of a device of this machine, in bytes.

    Raises:
        AskdError: there is no such device.
    """
    try:
        named = torch.device(device)
        if named.type == "cpu":
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return torch.cuda.get_device_properties(named).total_memory
    except (RuntimeError, AssertionError, ValueError) as error:
        raise AskdError(
            f"--device {device}: this machine has none; give --memory GIB to plan for another one."
        ) from error


def adapter_weights(model: PreTrainedModel, lora: Lora) -> int:
    """Weights of the adapters: rank times the inputs and outputs of each adapted layer."""
    layers = {
        path: module
        for path, module in model.get_decoder().named_modules()
        if isinstance(module, nn.Linear)
    }
    return lora.rank * sum(
        module.in_features + module.out_features
        for path, module in layers.items()
        if lora.target_modules == "all-linear" or path.rpartition(".")[2] in lora.target_modules
    )


def check_sampling_memory(
    report: Report, role: str, shape: Shape, tokens: int, rollout: Rollout, dtype: str, memory: int
) -> None:
    """Compare what the engine takes for a model that samples alone with the bytes of a device.

    `tokens` are those of the longest prompt and response; `dtype` is that of transformers.
    """
    check, vllm = f"{role}: memory of sampling", rollout.vllm
    if rollout.engine == "vllm":
        cache = None if vllm.cache_gib is None else int(vllm.cache_gib * GIB)
        parts = vllm_memory(
            shape, tokens, rollout.batch_size, vllm.dtype, vllm.tensor_parallel_size, cache
        )
        _compare(
            report,
            check,
            parts,
            int(vllm.memory_fraction * memory),
            "raise rollout.vllm.tensor_parallel_size or memory_fraction, lower cache_gib or "
            "max_new_tokens, or set rollout.vllm.dtype: bfloat16",
            "that vLLM may take",
        )
    else:
        _compare(
            report,
            check,
            rollout_memory(shape, tokens, rollout.batch_size, dtype),
            memory,
            "lower rollout.batch_size or max_new_tokens, or load as bfloat16",
        )


def check_mixing_memory(
    report: Report,
    shapes: tuple[Shape, Shape],
    tokens: int,
    rollout: Rollout,
    dtypes: tuple[str, str],
    memory: int,
) -> None:
    """The same for a teacher and a student that sample together, with transformers."""
    both = [
        rollout_memory(shape, tokens, rollout.batch_size, dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]
    parts = {
        f"{role}'s {name}": size
        for role, parts in zip(("teacher", "student"), both, strict=True)
        for name, size in parts.items()
    }
    _compare(
        report,
        "memory of sampling together",
        parts,
        memory,
        "lower rollout.batch_size or max_new_tokens, load as bfloat16, or leave out methods with a "
        "policy",
    )


def check_training_memory(
    report: Report,
    teacher: Shape,
    student: Shape,
    tokens: int,
    micro_batch: int,
    head_chunk: int,
    dtype: str,
    available: int,
    adapters: int | None = None,
    checkpointing: bool = False,
) -> None:
    """Compare what training takes with the `available` bytes of a device."""
    parts = training_memory(
        student, teacher, tokens, micro_batch, head_chunk, dtype, adapters, checkpointing
    )
    check, advice = "memory of training", "lower micro_batch_size or head_chunk"
    alone = {name: size for name, size in parts.items() if name != "teacher"}
    if sum(alone.values()) <= available < sum(parts.values()):
        report.numbers[check] = parts
        report.add(
            check,
            "note",
            f"{_listed(parts)} of {_size(available)}: the teacher does not fit beside the "
            f"student, so choose sampled objectives only, or {advice}.",
        )
    else:
        _compare(report, check, parts, available, f"{advice}, or train in bfloat16 or with LoRA")


def _compare(
    report: Report,
    check: str,
    parts: dict[str, int],
    available: int,
    advice: str,
    whose: str = "",
) -> None:
    report.numbers[check] = parts
    says = f"{_listed(parts)} of {_size(available)}{whose and f' {whose}'}"
    needed = sum(parts.values())
    if needed > available:
        report.add(check, "refused", f"{says}; {advice}.")
    elif needed > COMFORTABLE * available:
        report.add(check, "note", f"{says}, which is tight; {advice}.")
    else:
        report.add(check, "ok", f"{says}.")


def _listed(parts: dict[str, int]) -> str:
    each = ", ".join(f"{name} {_size(size)}" for name, size in parts.items())
    return f"about {_size(sum(parts.values()))} ({each})"


def _size(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.1f} MiB"


def check_disk(report: Report, student: Shape, adapters: int | None, folder: Path) -> None:
    """Compare the free space where results go with what a training of one method writes."""
    existing = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    free, needed = shutil.disk_usage(existing).free, disk_space(student, adapters)
    says = f"{_size(needed)} for a student and its checkpoints, {_size(free)} free in {existing}"
    if needed > free:
        report.add("disk", "refused", f"{says}; free some, or put results on another disk.")
    else:
        report.add("disk", "ok", f"{says}; each method, seed and round keeps a student.")
