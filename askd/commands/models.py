"""Commands about models that are there already."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from askd.commands.options import option
from askd.errors import AskdError

app = typer.Typer()


class Dtype(StrEnum):
    """Types to train in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


@app.command()
def check(
    teacher: Annotated[Path, typer.Argument(help="Model folder of the teacher.")],
    student: Annotated[Path, typer.Argument(help="Model folder of the student.")],
    prompts: Annotated[
        Path | None, option("Prompts table that the student will be trained on.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest response, in tokens.")] = 128,
    rollout_batch: Annotated[
        int, typer.Option(min=1, help="Responses that are sampled at once.")
    ] = 32,
    rollout: Annotated[
        str | None,
        option("JSON of the section rollout, in place of the two options before."),
    ] = None,
    mixes: Annotated[
        bool, typer.Option("--mixes", help="Teacher and student sample together too.")
    ] = False,
    micro_batch: Annotated[
        int, typer.Option(min=1, help="Sequences per forward pass of a training.")
    ] = 8,
    head_chunk: Annotated[
        int, typer.Option(min=1, help="Response tokens whose logits exist at the same time.")
    ] = 1024,
    dtype: Annotated[
        Dtype, option("Type of matrix products and of weights that are not trained.")
    ] = Dtype.float32,
    lora: Annotated[
        str | None, option("JSON of training.lora, where adapters are trained.")
    ] = None,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="As training.gradient_checkpointing.")
    ] = False,
    device: Annotated[
        str | None, option("Device to train on, such as cuda or cpu; a GPU where there is one.")
    ] = None,
    memory: Annotated[
        float | None, typer.Option(min=0, help="Memory in GiB of a device that is elsewhere.")
    ] = None,
    results: Annotated[Path, option("Folder that the students will be written to.")] = Path("."),
    output: Annotated[Path | None, option("Report to write, JSON.")] = None,
) -> None:
    """Check that a student can be distilled from a teacher, before any time is spent.

    One line per check: ok, note, or refused with what to do. Exits with code 1 if any is refused.
    """
    from askd.config import Lora, Rollout, validated_json
    from askd.models.preflight.check import Workload, write
    from askd.models.preflight.check import check as run

    workload = Workload(
        prompts,
        Rollout(max_new_tokens=max_new_tokens, batch_size=rollout_batch)
        if rollout is None
        else validated_json(Rollout, rollout),
        mixes,
        micro_batch,
        head_chunk,
        dtype.value,
        None if lora is None else validated_json(Lora, lora),
        gradient_checkpointing,
        device,
        memory,
        results,
    )
    report = run(teacher, student, workload)
    if output is not None:
        write(report, teacher, student, output)
    print("\n".join(report.lines()))
    if report.refused:
        raise AskdError(
            f"{teacher} and {student} are no pair to train: {', '.join(report.refused)} refused."
        )
