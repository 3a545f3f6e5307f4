"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def option(help_: str) -> typer.models.OptionInfo:
    """An option with a help text."""
    return typer.Option(help=help_)


Settings = Annotated[str, option("JSON of the parts of the configuration that the stage reads.")]
Seed = Annotated[int, option("Seed of the run.")]
State = Annotated[Path, option("Folder from which a killed run resumes.")]
Output = Annotated[Path, option("The file or folder to write.")]
Prompts = Annotated[Path, option("Prompts table.")]
Schedule = Annotated[Path, option("Schedule table.")]
Rollouts = Annotated[Path, option("Rollouts table.")]
Model = Annotated[Path, option("Model folder.")]
Teacher = Annotated[Path, option("Model folder of the teacher.")]
Student = Annotated[Path, option("Model folder of the student.")]
OptionalTable = Annotated[Path | None, option("Table, where the method reads it.")]
