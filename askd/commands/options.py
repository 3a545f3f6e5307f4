"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from askd.errors import AskdError


def runs(seeds: list[int], output: Path) -> Iterator[tuple[int, Path]]:
    """Each seed with what its run writes.

    Raises:
        AskdError: several runs would write the same output.
    """
    if len(set(seeds)) < len(seeds):
        raise AskdError(f"--seed: {seeds} names a seed twice.")
    if len(seeds) > 1 and "{seed}" not in str(output):
        raise AskdError(f"--output {output}: with several seeds it needs {{seed}} in its name.")
    return ((seed, of_seed(output, seed)) for seed in seeds)


def of_seed(path: Path | None, seed: int) -> Path | None:
    """A path of one of several runs: `{seed}` in it stands for the seed."""
    return path and Path(str(path).replace("{seed}", str(seed)))


def option(help_: str) -> typer.models.OptionInfo:
    """An option with a help text."""
    return typer.Option(help=help_)


Settings = Annotated[str, option("JSON of the parts of the configuration that the stage reads.")]
Seed = Annotated[int, option("Seed of the run.")]
Seeds = Annotated[
    list[int],
    typer.Option("--seed", help="Seed of a run; repeat it for more runs, one after another."),
]
State = Annotated[Path, option("Folder from which a killed run resumes.")]
Output = Annotated[Path, option("The file or folder to write.")]
OutputFiles = Annotated[Path, option("Files to write, without their endings csv and md.")]
Prompts = Annotated[Path, option("Prompts table.")]
Schedule = Annotated[Path, option("Schedule table.")]
Rollouts = Annotated[Path, option("Rollouts table.")]
Model = Annotated[Path, option("Model folder.")]
Teacher = Annotated[Path, option("Model folder of the teacher.")]
Student = Annotated[Path, option("Model folder of the student.")]
OptionalTable = Annotated[Path | None, option("Table, where the method reads it.")]
