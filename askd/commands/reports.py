"""Commands that write tables, figures and the page of all results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askd.commands.options import (
    Output,
    OutputFiles,
    Prompts,
    Seed,
    Settings,
    Student,
    Teacher,
    option,
)

app = typer.Typer()


@app.command()
def table(
    settings: Settings,
    output: Output,
    paper: Annotated[Path | None, option("CSV file with the paper's own numbers.")] = None,
    audit: Annotated[Path | None, option("CSV file of the sandbox's audit, for code.")] = None,
) -> None:
    """Write a table of the paper, with intervals and tests."""
    from askd.config import validated_json
    from askd.reporting.stage import TableSettings, write

    write(validated_json(TableSettings, settings), output, paper, audit)


@app.command()
def lm_eval_table(
    settings: Settings,
    benchmarks: Annotated[Path, option("Folder of lm-eval's benchmark files.")],
    output: OutputFiles,
) -> None:
    """Write what lm-eval itself measured, with intervals, and print it."""
    from askd.config import validated_json
    from askd.reporting.lm_eval_table import LmEvalTableSettings, write

    write(validated_json(LmEvalTableSettings, settings), benchmarks, output)
    typer.echo(output.with_suffix(".md").read_text(encoding="utf-8"), nl=False)


@app.command()
def evalplus_table(
    settings: Settings,
    benchmarks: Annotated[Path, option("Folder of evalplus's benchmark files.")],
    output: OutputFiles,
) -> None:
    """Write what evalplus and we say of the same programs, with intervals, and print it."""
    from askd.config import validated_json
    from askd.reporting.evalplus_table import EvalPlusTableSettings, write

    write(validated_json(EvalPlusTableSettings, settings), benchmarks, output)
    typer.echo(output.with_suffix(".md").read_text(encoding="utf-8"), nl=False)


@app.command()
def claims(
    settings: Settings,
    claims: Annotated[Path, option("YAML file of the claims, beside the paper's tables.")],
    output: OutputFiles,
) -> None:
    """Write which of the paper's empirical claims this run reproduces."""
    from askd.config import validated_json
    from askd.reporting.claims import ClaimsSettings
    from askd.reporting.claims import claims as run

    run(validated_json(ClaimsSettings, settings), claims, output)


@app.command()
def contrast(
    settings: Settings,
    claims: Annotated[Path, option("YAML file of the claims, with the section `summary`.")],
    output: OutputFiles,
) -> None:
    """Write one method against another over all tables, and what may be the cause."""
    from askd.config import validated_json
    from askd.reporting.claims import ClaimsSettings
    from askd.reporting.contrast import contrast as run

    run(validated_json(ClaimsSettings, settings), claims, output)


@app.command()
def power(settings: Settings, output: OutputFiles) -> None:
    """Write which differences the tables resolve, and what a smaller one would take."""
    from askd.config import validated_json
    from askd.reporting.power import power as run
    from askd.reporting.tables_settings import TablesSettings

    run(validated_json(TablesSettings, settings), output)


@app.command()
def answers(settings: Settings, output: OutputFiles) -> None:
    """Write how many answers could not be read, and how the judge did, for every score."""
    from askd.config import validated_json
    from askd.reporting.answers import AnswersSettings
    from askd.reporting.answers import answers as run

    run(validated_json(AnswersSettings, settings), output)


@app.command()
def tune(
    settings: Settings,
    tries: Annotated[Path, option("CSV file to write: every try.")],
    tuned: Annotated[Path, option("YAML file to write: the chosen settings.")],
) -> None:
    """Choose the settings of a pair by validation rewards."""
    from askd.config import validated_json
    from askd.reporting.sweep import TuneSettings
    from askd.reporting.sweep import tune as run

    run(validated_json(TuneSettings, settings), tries, tuned)


@app.command(name="sweep-table")
def sweep_table(
    settings: Settings,
    tries: Annotated[list[Path], option("CSV file of tries, as `tune` writes it; repeat it.")],
    output: OutputFiles,
) -> None:
    """Write every try of the sweep as a table."""
    from askd.config import validated_json
    from askd.reporting.sweep_table import SweepTableSettings
    from askd.reporting.sweep_table import sweep_table as run

    run(validated_json(SweepTableSettings, settings), tries, output)


@app.command()
def budget(settings: Settings, output: OutputFiles) -> None:
    """Write what a training step of each method used."""
    from askd.config import validated_json
    from askd.reporting.budget import BudgetSettings
    from askd.reporting.budget import budget as run

    run(validated_json(BudgetSettings, settings), output)


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
    settings: Settings,
    data: Annotated[Path, option("Folder that figures-data wrote.")],
    beta: Annotated[float, option("Scale of the projection that the data were made with.")],
    output: Output,
) -> None:
    """Draw Figures 1 and 2 of the paper from such outputs, with their numbers and captions."""
    from askd.config import Advantage, validated_json
    from askd.reporting.figures.stage import figures as run

    run(data, validated_json(Advantage, settings), beta, output)


@app.command()
def variance(
    settings: Settings,
    data: Annotated[list[Path], option("CSV file of a pair from variance-data; repeat it.")],
    output: OutputFiles,
) -> None:
    """Write how noisy the gradient of each estimator is as a table."""
    from askd.config import validated_json
    from askd.reporting.gradient_variance import VarianceTableSettings, write

    write(validated_json(VarianceTableSettings, settings), data, output)


@app.command()
def curves(
    settings: Settings,
    output: Annotated[Path, option("Files to write, without their endings csv, svg and png.")],
) -> None:
    """Draw the training curves of several methods."""
    from askd.config import validated_json
    from askd.reporting.curves import CurvesSettings
    from askd.reporting.curves import curves as run

    run(validated_json(CurvesSettings, settings), output)


@app.command()
def theory(output: OutputFiles) -> None:
    """Decide by computation which of the paper's statements hold."""
    from askd.theory.stage import theory as run

    run(output)


@app.command()
def times(
    benchmarks: Annotated[Path, option("Folder of the stages' benchmark files.")],
    output: OutputFiles,
) -> None:
    """Write what each stage cost, and print it."""
    from askd.reporting.times import times as run

    run(benchmarks, output)
    typer.echo(output.with_suffix(".md").read_text(encoding="utf-8"), nl=False)


@app.command()
def plan(
    settings: Annotated[str, option("JSON of the whole configuration.")],
    output: OutputFiles,
) -> None:
    """Write what a run will cost, and print it; no model is loaded."""
    from askd.config import Config, validated_json
    from askd.reporting.plan.stage import plan as run

    typer.echo(run(validated_json(Config, settings), output), nl=False)


@app.command()
def report(settings: Settings, output: Output) -> None:
    """Write one page of all results."""
    from askd.config import validated_json
    from askd.reporting.page.page import report as run
    from askd.reporting.page.settings import PageSettings

    run(validated_json(PageSettings, settings), output)


@app.command()
def publish(settings: Settings, output: Annotated[Path, option("File to write.")]) -> None:
    """Write results as one page of Markdown, with its figures beside it."""
    from askd.config import validated_json
    from askd.reporting.publish import PublishSettings
    from askd.reporting.publish import publish as run

    run(validated_json(PublishSettings, settings), output)


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration."""
    from askd.config import schema as text

    typer.echo(text(), nl=False)
