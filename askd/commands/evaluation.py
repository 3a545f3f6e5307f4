"""Commands that evaluate models and the sandbox."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from askd.commands.options import Model, Output, OutputFiles, Seeds, Settings, of_seed, option, runs
from askd.errors import AskdError

app = typer.Typer()


def _stay_off_the_hub() -> None:
    """lm-eval would ask the hub about every local model; its library reads this when imported."""
    os.environ["HF_HUB_OFFLINE"] = "1"


@app.command()
def evaluate(
    settings: Settings,
    seed: Seeds,
    model: Model,
    data: Annotated[Path, option("Folder of the task's prompts tables.")],
    output: Output,
) -> None:
    """Evaluate models on benchmarks; `{seed}` in a path stands for each seed."""
    from askd.config import validated_json
    from askd.evaluation.evaluate import EvaluateSettings
    from askd.evaluation.evaluate import evaluate as run

    chosen = validated_json(EvaluateSettings, settings)
    for one, written in runs(seed, output):
        run(chosen, one, of_seed(model, one), data, written)


@app.command()
def lm_eval(
    settings: Settings,
    seed: Seeds,
    model: Model,
    data: Annotated[Path, option("Folder of all prompts tables, by task.")],
    output: Output,
) -> None:
    """Have lm-eval evaluate models; `{seed}` in a path stands for each seed."""
    from askd.config import validated_json
    from askd.evaluation.lm_eval_benchmarks import LmEvalSettings
    from askd.evaluation.lm_eval_benchmarks import evaluate as run

    chosen = validated_json(LmEvalSettings, settings)
    if set(chosen.lm_eval.tasks) <= set(chosen.lm_eval.files):
        _stay_off_the_hub()
    for one, written in runs(seed, output):
        run(chosen, of_seed(model, one), data, written)


@app.command()
def evalplus_problems(
    settings: Settings, output: Annotated[Path, option("JSON Lines file to write.")]
) -> None:
    """Write the problems of a benchmark as evalplus reads them."""
    from askd.config import validated_json
    from askd.evaluation.evalplus_problems import EvalPlusProblemsSettings, write_problems

    write_problems(validated_json(EvalPlusProblemsSettings, settings), output)


@app.command()
def evalplus(
    settings: Settings,
    seed: Seeds,
    model: Model,
    data: Annotated[Path, option("Folder of what evalplus-problems wrote, by benchmark.")],
    output: Output,
) -> None:
    """Judge programs of models with evalplus beside us; `{seed}` in a path stands for each seed."""
    from askd.config import validated_json
    from askd.evaluation.evalplus_benchmarks import EvalPlusSettings
    from askd.evaluation.evalplus_benchmarks import evaluate as run

    chosen = validated_json(EvalPlusSettings, settings)
    for one, written in runs(seed, output):
        run(chosen, one, of_seed(model, one), data, written)


@app.command()
def sandbox(
    check: Annotated[bool, typer.Option("--check", help="Say which tiers work here.")] = False,
    settings: Settings = "{}",
    program: Annotated[Path | None, option("File of a program to run.")] = None,
    tests: Annotated[Path | None, option("File of Python tests of it.")] = None,
    entry_point: Annotated[str, option("The function or class that the tests call.")] = "",
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
def agreement(
    settings: Settings,
    math_model: Annotated[Path, option("Model folder that answers the benchmark of mathematics.")],
    math_prompts: Annotated[Path, option("Prompts table of that benchmark.")],
    code_model: Annotated[Path, option("Model folder that answers the benchmark of programs.")],
    code_prompts: Annotated[Path, option("Prompts table of that benchmark.")],
    output: OutputFiles,
    humaneval_model: Annotated[Path | None, option("Model folder that answers HumanEval.")] = None,
    humaneval_samples: Annotated[
        Path | None, option("File of programs for HumanEval, as evalplus reads it.")
    ] = None,
) -> None:
    """Set our verdicts beside those of lm-eval and evalplus."""
    _stay_off_the_hub()
    from askd.config import validated_json
    from askd.reporting.agreement import AgreementSettings
    from askd.reporting.agreement import agreement as run

    run(
        validated_json(AgreementSettings, settings),
        math_model,
        math_prompts,
        code_model,
        code_prompts,
        humaneval_model,
        humaneval_samples,
        output,
    )


@app.command(name="agreement-check")
def agreement_check(
    table: Annotated[Path, option("CSV file that agreement wrote.")],
) -> None:
    """Exit with code 1 where verdicts differ for no known reason."""
    from askd.evaluation.comparison import check

    check(table)


@app.command()
def audit(output: OutputFiles, settings: Settings = "{}") -> None:
    """Run programs that try to fool or to leave the sandbox."""
    from askd.config import SandboxSettings, validated_json
    from askd.reporting.sandbox_audit import audit as run

    run(validated_json(SandboxSettings, settings), output)
