"""Commands that make prompts, models and schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askd.commands.options import Output, Prompts, Seeds, Settings, State, option, runs

app = typer.Typer()


@app.command()
def prompts(settings: Settings, output: Output) -> None:
    """Write the train, validation and test prompts of a task."""
    from askd.config import Task, validated_json
    from askd.tasks.prompts import build

    build(validated_json(Task, settings), output)


@app.command()
def pretrain(
    settings: Settings,
    output: Output,
    metrics: Annotated[Path, option("Log to write, JSON Lines.")],
    state: State,
) -> None:
    """Train a tiny model from scratch."""
    from askd.config import validated_json
    from askd.models.pretrain import PretrainSettings
    from askd.models.pretrain import pretrain as run

    run(validated_json(PretrainSettings, settings), output, metrics, state)


@app.command()
def schedule(
    settings: Settings,
    seed: Seeds,
    rounds: Annotated[int, option("Number of rounds.")],
    prompts: Prompts,
    output: Output,
) -> None:
    """Write which prompts each optimizer step trains on; `{seed}` in the output is each seed."""
    from askd.artifacts import PROMPTS, SCHEDULE, read_table, write_table
    from askd.config import Training, validated_json
    from askd.training.schedule import schedule as run

    training = validated_json(Training, settings)
    prompt_ids = read_table(prompts, PROMPTS).column("prompt_id").to_pylist()
    steps, size = training.steps_per_round, training.prompts_per_step
    for one, written in runs(seed, output):
        write_table(written, run(prompt_ids, one, rounds, steps, size), SCHEDULE)
