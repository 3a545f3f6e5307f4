"""The plan stage: what a run will cost, and, where it has run, what it did cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from askd.artifacts import write_text
from askd.config import Config
from askd.reporting.markdown import grid
from askd.reporting.plan.estimate import Estimate, estimate, hours, judge_price, seconds
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.jobs import Job, jobs_of
from askd.reporting.times import StageTime, measured

GIB = 2**30
ABOUT = (
    "All numbers are estimates: operations from the sizes of models and the mean lengths of texts, "
    "hours from the part of the peak that each kind of work is assumed to reach (`plan` in the "
    "configuration), memory of models and texts without that of the process. Figures, gradient "
    "variance, tables and reports take minutes and are left out; so is the running of programs."
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
        f"{whole.jobs} jobs, {_number(whole.hours)} hours of {config.plan.device} "
        f"({device.peak_tflops:g} TFLOP/s, {device.memory_gib:g} GiB). {ABOUT}\n",
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
    parts.append("\n".join(f"- {line}" for line in _remarks(config, jobs, stages, inputs)) + "\n")
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
        _number(part.sampled),
        _number(part.trained),
        _number(part.operations / 1e12),
        _number(part.hours),
        _number(part.memory / GIB),
        _number(part.disk / 1e9),
        _number(part.calls),
    )


def _remarks(
    config: Config, jobs: list[Job], stages: dict[str, list[Job]], inputs: Inputs
) -> list[str]:
    device = config.plan.devices[config.plan.device]
    by_stage = {stage: estimate(config, found).hours for stage, found in stages.items()}
    stage = max(by_stage, key=by_stage.get)
    job = max(jobs, key=lambda job: hours(config, job) if job.memory else 0)
    lines = [
        f"Largest item: {stage}, {_number(by_stage[stage])} hours of "
        f"{_number(sum(by_stage.values()))}; largest job: {job.stage} {job.name}, "
        f"{_number(hours(config, job))} hours."
    ]
    too_large = [job for job in jobs if job.memory > device.memory_gib * GIB]
    if too_large:
        worst = max(too_large, key=lambda job: job.memory)
        lines.append(
            f"{len(too_large)} jobs need more memory than the device has, up to "
            f"{_number(worst.memory / GIB)} GiB ({worst.stage} {worst.name})."
        )
    state = max(job.state for job in jobs)
    if state:
        lines.append(
            f"Besides, a job that runs keeps up to {_number(state / 1e9)} GB of checkpoints."
        )
    price = judge_price(config, jobs, inputs)
    if price is not None:
        lines.append(f"Judge: about {_number(price)} at the prices of the configuration.")
    return lines


def _comparison(config: Config, stages: dict[str, list[Job]], times: list[StageTime]) -> str:
    """Measured seconds beside estimated ones, a job of each stage on average."""
    device = config.plan.devices[config.plan.device]
    devices = config.gpus or config.threads
    rows = []
    for stage in times:
        if stage.name not in stages:
            continue
        found = stages[stage.name]
        light = config.plan.light_seconds
        guess = sum(seconds(job, device, light, devices) for job in found) / len(found)
        taken = stage.seconds / stage.jobs
        memory = "" if stage.memory_mb is None else _number(stage.memory_mb * 1e6 / GIB)
        rows.append(
            (
                stage.name,
                f"{stage.jobs} of {len(found)}",
                _number(taken),
                _number(guess),
                f"{guess / taken:.2f}" if taken else "",
                memory,
            )
        )
    headings = (
        "stage",
        "jobs measured",
        "seconds per job, measured",
        "estimated",
        "estimated / measured",
        "largest memory measured, GiB",
    )
    return "## Estimate and measurement\n\n" + _table(headings, rows)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return grid(headings, rows) + "\n"


def _number(value: float) -> str:
    """Three digits, with thousands apart; nothing for nothing."""
    if not value:
        return ""
    if value >= 1e9:
        return f"{value / 1e9:,.3g} G" if value < 1e12 else f"{value / 1e9:,.0f} G"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _stages_csv(config: Config, jobs: list[Job]) -> str:
    rows = [
        (stage, *vars(estimate(config, found)).values())
        for stage, found in _grouped(jobs, "stage").items()
    ]
    names = Estimate.__dataclass_fields__
    return _csv(("stage", *names), rows)


def _jobs_csv(config: Config, jobs: list[Job]) -> str:
    names = ("stage", "name", "pair", "sampled", "trained", "operations", "memory", "disk", "state")
    device, light = config.plan.devices[config.plan.device], config.plan.light_seconds
    # What the workflow asks a cluster for; jobs without a model leave it to the profile.
    asked = (config.gpus, config.threads, config.memory_mb, config.runtime_minutes)
    rows = [
        (
            *(getattr(job, name) for name in names),
            job.judged,
            seconds(job, device, light, config.gpus or config.threads),
            *(asked if job.memory else (0, 1, "", "")),
        )
        for job in jobs
    ]
    columns = ("judged", "seconds", "gpus", "threads", "asked_memory_mb", "asked_minutes")
    return _csv((*names, *columns), rows)


def _csv(columns: Sequence[str], rows: Iterable[Sequence]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        [f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows
    )
    return text.getvalue()
