"""The command line: one command for each stage. Imports lazily, so that light stages start fast."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from askd.errors import AskdError

app = typer.Typer(
    name="askd",
    help="Distil a large language model into a small one, with skewness that follows quality.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _option(help_: str) -> typer.models.OptionInfo:
    return typer.Option(help=help_)


Settings = Annotated[str, _option("JSON of the parts of the configuration that the stage reads.")]
Seed = Annotated[int, _option("Seed of the run.")]
State = Annotated[Path, _option("Folder from which a killed run resumes.")]
Output = Annotated[Path, _option("The file or folder to write.")]
Prompts = Annotated[Path, _option("Prompts table.")]
Schedule = Annotated[Path, _option("Schedule table.")]
Rollouts = Annotated[Path, _option("Rollouts table.")]
Model = Annotated[Path, _option("Model folder.")]
Teacher = Annotated[Path, _option("Model folder of the teacher.")]
Student = Annotated[Path, _option("Model folder of the student.")]
OptionalTable = Annotated[Path | None, _option("Table, where the method reads it.")]


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
    metrics: Annotated[Path, _option("Log to write, JSON Lines.")],
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
    seed: Seed,
    rounds: Annotated[int, _option("Number of rounds.")],
    prompts: Prompts,
    output: Output,
) -> None:
    """Write which prompts each optimizer step trains on."""
    from askd.artifacts import PROMPTS, SCHEDULE, read_table, write_table
    from askd.config import Training, validated_json
    from askd.training.schedule import schedule as run

    training = validated_json(Training, settings)
    prompt_ids = read_table(prompts, PROMPTS).column("prompt_id").to_pylist()
    table = run(prompt_ids, seed, rounds, training.steps_per_round, training.prompts_per_step)
    write_table(output, table, SCHEDULE)


@app.command()
def rollout(
    settings: Settings,
    seed: Seed,
    stream: Annotated[str, _option("Names the use; two streams share no random numbers.")],
    model: Model,
    prompts: Prompts,
    schedule: Schedule,
    round_: Annotated[int, typer.Option("--round", help="Round of the schedule.")],
    steps: Annotated[int, _option("Sample for this many steps from the start of the round.")],
    output: Output,
    state: State,
    policy: Annotated[
        str | None, _option("JSON of the policy, for a student that samples with its teacher.")
    ] = None,
    teacher: Annotated[Path | None, _option("Model folder of that teacher.")] = None,
) -> None:
    """Sample responses from a model to the prompts of a round."""
    from askd.artifacts import SCHEDULE, read_table
    from askd.config import Policy, Rollout, validated_json
    from askd.rollout.stage import rollout as run
    from askd.training.schedule import prompts_of_steps

    prompt_ids = prompts_of_steps(read_table(schedule, SCHEDULE), round_, 0, steps)
    run(
        model,
        prompts,
        prompt_ids,
        validated_json(Rollout, settings),
        seed,
        stream,
        output,
        state,
        None if policy is None else validated_json(Policy, policy),
        teacher,
    )


@app.command()
def score(
    teacher: Teacher,
    student: Student,
    prompts: Prompts,
    rollouts: Rollouts,
    batch_size: Annotated[int, typer.Option(min=1, help="Sequences per forward pass.")],
    head_chunk: Annotated[
        int, typer.Option(min=1, help="Response tokens whose logits exist at the same time.")
    ],
    output: Output,
) -> None:
    """Write the teacher's log-probabilities of sampled responses."""
    from askd.rollout.stage import score_rollouts

    score_rollouts(teacher, student, prompts, rollouts, batch_size, head_chunk, output)


@app.command()
def grade(
    grader: Annotated[str, _option("Name of the grader.")],
    prompts: Prompts,
    rollouts: Rollouts,
    output: Output,
    sandbox: Annotated[str, _option("JSON of the sandbox's settings, for code.")] = "{}",
) -> None:
    """Write a reward for each rollout."""
    from askd.artifacts import PROMPTS, REWARDS, ROLLOUTS, read_table, write_table
    from askd.config import SandboxSettings, validated_json
    from askd.rewards.grade import grade as run

    table = run(
        read_table(rollouts, ROLLOUTS).to_pylist(),
        read_table(prompts, PROMPTS).to_pylist(),
        grader,
        validated_json(SandboxSettings, sandbox),
    )
    write_table(output, table, REWARDS)


@app.command()
def project(
    settings: Settings,
    beta: Annotated[float, _option("Scale of the projection.")],
    rewards: Annotated[Path, _option("Rewards table.")],
    output: Output,
    pooled_with: OptionalTable = None,
) -> None:
    """Write advantage, skewness and clip for each reward."""
    from askd.artifacts import REWARDS, SKEWNESS, read_table, write_table
    from askd.config import Advantage, validated_json
    from askd.rewards.project import project as run

    other = None if pooled_with is None else read_table(pooled_with, REWARDS)
    table = run(
        read_table(rewards, REWARDS), validated_json(Advantage, settings), beta, other, rewards
    )
    write_table(output, table, SKEWNESS)


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
def evaluate(
    settings: Settings,
    seed: Annotated[list[int], _option("Seed of a model's samples.")],
    model: Annotated[list[Path], _option("Model folder.")],
    output: Annotated[list[Path], _option("The folder to write for the model.")],
    data: Annotated[Path, _option("Folder of the task's prompts tables.")],
) -> None:
    """Evaluate one or more models on benchmarks: repeat --seed, --model and --output."""
    from askd.config import validated_json
    from askd.evaluation.evaluate import EvaluateSettings
    from askd.evaluation.evaluate import evaluate as run

    if not len(seed) == len(model) == len(output):
        raise AskdError("evaluate: give each --model its --seed and its --output.")
    chosen = validated_json(EvaluateSettings, settings)
    for one_seed, one_model, one_output in zip(seed, model, output, strict=True):
        run(chosen, one_seed, one_model, data, one_output)


@app.command()
def table(
    settings: Settings,
    output: Output,
    paper: Annotated[Path | None, _option("CSV file with the paper's own numbers.")] = None,
    audit: Annotated[Path | None, _option("CSV file of the sandbox's audit, for code.")] = None,
) -> None:
    """Write a table of the paper, with intervals and tests."""
    from askd.config import validated_json
    from askd.reporting.stage import TableSettings, write

    write(validated_json(TableSettings, settings), output, paper, audit)


@app.command()
def claims(
    settings: Settings,
    claims: Annotated[Path, _option("YAML file of the claims, beside the paper's tables.")],
    output: Annotated[Path, _option("Files to write, without their endings csv and md.")],
) -> None:
    """Write which of the paper's empirical claims this run reproduces."""
    from askd.config import validated_json
    from askd.reporting.claims import ClaimsSettings
    from askd.reporting.claims import claims as run

    run(validated_json(ClaimsSettings, settings), claims, output)


@app.command()
def times(
    benchmarks: Annotated[Path, _option("Folder of the stages' benchmark files.")],
    output: Annotated[Path, _option("Files to write, without their endings csv and md.")],
) -> None:
    """Write what each stage cost, and print it."""
    from askd.reporting.times import times as run

    run(benchmarks, output)
    typer.echo(output.with_suffix(".md").read_text(encoding="utf-8"), nl=False)


@app.command(name="sweep-table")
def sweep_table(
    settings: Settings,
    tries: Annotated[Path, _option("CSV file of the tries, as `tune` writes it.")],
    output: Annotated[Path, _option("Files to write, without their endings csv and md.")],
) -> None:
    """Write every try of the sweep as a table."""
    from askd.config import validated_json
    from askd.reporting.sweep_table import SweepTableSettings
    from askd.reporting.sweep_table import sweep_table as run

    run(validated_json(SweepTableSettings, settings), tries, output)


@app.command()
def report(settings: Settings, output: Output) -> None:
    """Write one page of all results."""
    from askd.config import validated_json
    from askd.reporting.page.page import report as run
    from askd.reporting.page.settings import PageSettings

    run(validated_json(PageSettings, settings), output)


@app.command()
def variance(
    settings: Settings,
    seed: Seed,
    teacher: Teacher,
    student: Student,
    prompts: Prompts,
    output: Annotated[Path, _option("Files to write, without their endings csv and md.")],
    near: Annotated[Path | None, _option("Model folder of a student near the teacher.")] = None,
) -> None:
    """Measure how noisy the gradient of each estimator is."""
    from askd.config import validated_json
    from askd.reporting.variance import VarianceSettings
    from askd.reporting.variance import variance as run

    run(validated_json(VarianceSettings, settings), seed, teacher, student, near, prompts, output)


@app.command()
def curves(
    settings: Settings,
    output: Annotated[Path, _option("Files to write, without their endings csv, svg and png.")],
) -> None:
    """Draw the training curves of several methods."""
    from askd.config import validated_json
    from askd.reporting.curves import CurvesSettings
    from askd.reporting.curves import curves as run

    run(validated_json(CurvesSettings, settings), output)


@app.command()
def tune(
    settings: Settings,
    tries: Annotated[Path, _option("CSV file to write: every try.")],
    tuned: Annotated[Path, _option("YAML file to write: the chosen learning rates.")],
) -> None:
    """Choose learning rates by validation accuracy."""
    from askd.config import validated_json
    from askd.reporting.sweep import TuneSettings
    from askd.reporting.sweep import tune as run

    run(validated_json(TuneSettings, settings), tries, tuned)


@app.command()
def sandbox(
    check: Annotated[bool, typer.Option("--check", help="Say which tiers work here.")] = False,
    settings: Settings = "{}",
    program: Annotated[Path | None, _option("File of a program to run.")] = None,
    tests: Annotated[Path | None, _option("File of Python tests of it.")] = None,
    entry_point: Annotated[str, _option("The function or class that the tests call.")] = "",
) -> None:
    """Run a program that is not trusted against tests, or check the sandbox itself.

    Exits with code 0 if the program passes, or if the check finds a tier that `settings` allow.
    """
    from askd.config import SandboxSettings, validated_json
    from askd.sandbox.stage import check_tiers, run_file

    chosen = validated_json(SandboxSettings, settings)
    if check:
        check_tiers(chosen)
    elif program and tests and entry_point:
        raise typer.Exit(0 if run_file(chosen, program, tests, entry_point) else 1)
    else:
        raise AskdError("sandbox: give --check, or --program, --tests and --entry-point.")


@app.command()
def audit(
    output: Annotated[Path, _option("Files to write, without their endings csv and md.")],
    settings: Settings = "{}",
) -> None:
    """Run programs that try to fool or to leave the sandbox."""
    from askd.config import SandboxSettings, validated_json
    from askd.reporting.sandbox_audit import audit as run

    run(validated_json(SandboxSettings, settings), output)


@app.command(name="figures-data")
def figures_data(
    settings: Settings,
    seed: Seed,
    teacher: Teacher,
    student: Student,
    prompts: Prompts,
    output: Output,
) -> None:
    """Sample and score outputs of a teacher and a student for the figures."""
    from askd.config import validated_json
    from askd.reporting.figures.data import FiguresDataSettings
    from askd.reporting.figures.data import figures_data as run

    run(validated_json(FiguresDataSettings, settings), seed, teacher, student, prompts, output)


@app.command()
def figures(
    data: Annotated[Path, _option("Folder that figures-data wrote.")],
    beta: Annotated[float, _option("Scale of the projection that the data were made with.")],
    output: Output,
) -> None:
    """Draw Figures 1 and 2 of the paper from such outputs, with their numbers and captions."""
    from askd.reporting.figures.stage import figures as run

    run(data, beta, output)


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration."""
    from askd.config import schema as text

    typer.echo(text(), nl=False)


@app.command()
def theory(
    output: Annotated[Path, _option("Files to write, without their endings csv and md.")],
) -> None:
    """Decide by computation which of the paper's statements hold."""
    from askd.theory.stage import theory as run

    run(output)


def main() -> None:
    """Run a command; bad input is one sentence on standard error and exit code 1."""
    try:
        app()
    except AskdError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
