"""The plan stage: what a run will cost, and, where it has run, what it did cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from askd.artifacts import write_text
from askd.config import Config
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid
from askd.reporting.plan.asked import asked
from askd.reporting.plan.estimate import Estimate, duration, estimate
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.job import GIB, Job
from askd.reporting.plan.jobs import jobs_of
from askd.reporting.plan.remarks import remarks
from askd.reporting.plan.text import number
from askd.reporting.times import StageTime, measured

ABOUT = (
    "All numbers are estimates: operations from the sizes of models and the mean lengths of texts, "
    "hours from the part of the peak that each kind of work is assumed to reach (`plan` in the "
    "configuration), memory of models and texts, and a guess at that of the process. The work of "
    "checks of pairs, figures, gradient variance, tables and reports takes minutes and is not "
    "reckoned; nor is the running of programs, or what servers do for `rollout.engine: openai`. "
    "What each job asks a cluster for is in plan_jobs.csv."
)


def plan(config: Config, output: Path) -> str:
    """Write OUTPUT.md (the report), OUTPUT.csv (by stage) and OUTPUT_jobs.csv (each job).

    Returns the report. Where the run has benchmark files, it compares the estimate with them.

    Raises:
        AskdError: the configuration does not say how large a model or a data set is.
    """
    root = Path(config.results) / config.scale
    inputs = Inputs(config, root / "models")
    jobs = jobs_of(config, inputs)
    report = _report(config, jobs, inputs, measured(root / "benchmarks"))
    write_text(output.with_suffix(".csv"), _stages_csv(config, jobs))
    write_text(output.with_name(f"{output.name}_jobs.csv"), _jobs_csv(config, jobs))
    write_text(output.with_suffix(".md"), report)
    return report


def _grouped(jobs: Sequence[Job], key: str) -> dict[str, list[Job]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(getattr(job, key), []).append(job)
    return groups


def _report(config: Config, jobs: list[Job], inputs: Inputs, times: list[StageTime]) -> str:
    device = config.plan.devices[config.plan.device]
    stages = _grouped(jobs, "stage")
    whole = estimate(config, jobs)
    rows = [_cells(stage, estimate(config, found)) for stage, found in stages.items()]
    parts = [
        f"# Plan of {config.scale}\n",
        f"{whole.jobs} jobs, {number(whole.hours)} hours of one {config.plan.device} "
        f"({device.peak_tflops:g} TFLOP/s, {device.memory_gib:g} GiB), of which a job with a model "
        f"takes {config.gpus or config.threads}. {ABOUT}\n",
        _table(HEADINGS, [*rows, _cells("all", whole)]),
    ]
    pairs = _grouped([job for job in jobs if job.pair], "pair")
    if len(pairs) > 1:
        parts.append(
            _table(
                ("pair", *HEADINGS[1:]),
                [_cells(pair, estimate(config, found)) for pair, found in pairs.items()],
            )
        )
    parts.append("\n".join(f"- {line}" for line in remarks(config, jobs, stages, inputs)) + "\n")
    if times:
        parts.append(_comparison(config, stages, times))
    return "\n".join(parts)


HEADINGS = (
    "stage",
    "jobs",
    "tokens sampled",
    "tokens trained on",
    "TFLOP",
    "hours",
    "largest memory, GiB",
    "disk, GB",
    "judge calls",
)


def _cells(name: str, part: Estimate) -> tuple[str, ...]:
    return (
        name,
        str(part.jobs),
        number(part.sampled),
        number(part.trained),
        number(part.operations / 1e12),
        number(part.hours),
        number(part.memory / GIB),
        number(part.disk / 1e9),
        number(part.calls),
    )


def _comparison(config: Config, stages: dict[str, list[Job]], times: list[StageTime]) -> str:
    """Measured seconds beside estimated ones, a job of each stage on average, and all in sum."""
    devices = config.gpus or config.threads
    rows, all_jobs, all_taken, all_guessed = [], [0, 0], 0.0, 0.0
    for stage in times:
        found = [job for job in stages.get(stage.name, []) if job.reckoned]
        if not found:
            continue
        guess = sum(duration(config, job, devices) for job in found) / len(found)
        taken = stage.seconds / stage.jobs
        rows.append(
            (
                stage.name,
                f"{stage.jobs} of {len(found)}",
                *_beside(guess, taken),
                "" if stage.memory_mb is None else number(stage.memory_mb * 1e6 / GIB),
                "" if config.gpus else number(max(job.memory for job in found) / GIB),
            )
        )
        all_jobs = [all_jobs[0] + stage.jobs, all_jobs[1] + len(found)]
        all_taken += stage.seconds
        all_guessed += stage.jobs * guess
    sums = _beside(all_guessed, all_taken)
    rows.append(("in sum", f"{all_jobs[0]} of {all_jobs[1]}", *sums, "", ""))
    headings = (
        "stage",
        "jobs measured",
        "seconds per job, measured",
        "estimated",
        "estimated / measured",
        "largest memory measured, GiB",
        "estimated",
    )
    return "## Estimate and measurement\n\n" + _table(headings, rows)


def _beside(guess: float, taken: float) -> tuple[str, str, str]:
    return number(taken), number(guess), f"{guess / taken:.2f}" if taken else ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return grid(headings, rows) + "\n"


def _stages_csv(config: Config, jobs: list[Job]) -> str:
    rows = [
        (stage, *vars(estimate(config, found)).values())
        for stage, found in _grouped(jobs, "stage").items()
    ]
    names = Estimate.__dataclass_fields__
    return _csv(("stage", *names), rows)


def _jobs_csv(config: Config, jobs: list[Job]) -> str:
    names = ("stage", "name", "pair", "sampled", "trained", "operations", "memory", "disk", "state")
    devices = config.gpus or config.threads
    rows = [
        (
            *(getattr(job, name) for name in names),
            job.calls,
            duration(config, job, devices),
            *vars(asked(config, job)).values(),
        )
        for job in jobs
    ]
    columns = ("calls", "seconds", "gpus", "threads", "asked_memory_mb", "asked_minutes")
    return _csv((*names, *columns), rows)


def _csv(columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    short = ([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
    return csv_text(columns, short)
