"""Commands that train, and that measure a training's gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askd.commands.options import (
    OptionalTable,
    Output,
    Prompts,
    Schedule,
    Seed,
    Settings,
    State,
    Student,
    Teacher,
    option,
)

app = typer.Typer()


@app.command()
def train(
    settings: Settings,
    seed: Seed,
    round_: Annotated[int, typer.Option("--round", help="Number of the round, from 0.")],
    student: Student,
    teacher: Teacher,
    prompts: Prompts,
    schedule: Schedule,
    output: Output,
    state: State,
    teacher_rollouts: OptionalTable = None,
    teacher_scores: OptionalTable = None,
    teacher_rewards: OptionalTable = None,
    teacher_skewness: OptionalTable = None,
    student_rollouts: OptionalTable = None,
    student_scores: OptionalTable = None,
    student_rewards: OptionalTable = None,
    student_skewness: OptionalTable = None,
) -> None:
    """Train the student for one round with one method."""
    from askd.config import validated_json
    from askd.training.stage import SideTables, TrainSettings
    from askd.training.stage import train as run

    teacher_tables = teacher_rollouts and SideTables(
        teacher_rollouts, teacher_scores, teacher_rewards, teacher_skewness
    )
    student_tables = student_rollouts and SideTables(
        student_rollouts, student_scores, student_rewards, student_skewness
    )
    run(
        validated_json(TrainSettings, settings),
        seed,
        round_,
        student,
        teacher,
        prompts,
        schedule,
        teacher_tables,
        student_tables,
        output,
        state,
    )


@app.command()
def variance(
    settings: Settings,
    seed: Seed,
    teacher: Teacher,
    student: Student,
    prompts: Prompts,
    output: Annotated[Path, option("Files to write, without their endings csv and md.")],
    near: Annotated[Path | None, option("Model folder of a student near the teacher.")] = None,
) -> None:
    """Measure how noisy the gradient of each estimator is."""
    from askd.config import validated_json
    from askd.reporting.variance import VarianceSettings
    from askd.reporting.variance import variance as run

    run(validated_json(VarianceSettings, settings), seed, teacher, student, near, prompts, output)
