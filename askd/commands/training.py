"""Commands that train, and that measure a training's gradient."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from askd.commands.options import (
    OptionalTable,
    Output,
    Prompts,
    Schedule,
    Seed,
    Seeds,
    Settings,
    State,
    Student,
    Teacher,
    of_seed,
    option,
    runs,
)

app = typer.Typer()


@app.command()
def train(
    settings: Settings,
    seed: Seeds,
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
    """Train the student for one round with one method; `{seed}` in a path is each seed."""
    from contextlib import ExitStack

    from askd.config import validated_json
    from askd.training.stage import SideTables, TrainSettings
    from askd.training.stage import train as run

    gc.freeze()  # Each training ends with a collection, which need not walk what was imported.
    chosen = validated_json(TrainSettings, settings)
    sides = (
        (teacher_rollouts, teacher_scores, teacher_rewards, teacher_skewness),
        (student_rollouts, student_scores, student_rewards, student_skewness),
    )
    with ExitStack() as states:
        for one, written in runs(seed, output):
            run(
                chosen,
                one,
                round_,
                of_seed(student, one),
                teacher,
                prompts,
                of_seed(schedule, one),
                *(
                    SideTables(*(of_seed(path, one) for path in paths)) if paths[0] else None
                    for paths in sides
                ),
                written,
                of_seed(state, one),
                states,
            )


@app.command(name="variance-data")
def variance_data(
    settings: Settings,
    seed: Seed,
    teacher: Teacher,
    student: Student,
    prompts: Prompts,
    output: Output,
    near: Annotated[Path | None, option("Model folder of a student near the teacher.")] = None,
) -> None:
    """Measure how noisy the gradient of each estimator is on a pair."""
    from askd.config import validated_json
    from askd.reporting.variance import VarianceSettings
    from askd.reporting.variance import variance as run

    run(validated_json(VarianceSettings, settings), seed, teacher, student, near, prompts, output)
