"""The jobs behind all trainings: evaluations, tables, figures and reports."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

from askd.layout import UNTRAINED, Layout
from askd.reporting.plan import costs
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.job import ROLLOUT_BYTES, Job
from askd.reporting.plan.judging import judging
from askd.reporting.plan.model_jobs import loading_job


def evaluation_job(
    inputs: Inputs, layout: Layout, pair: str, system: str, task: str, split: str
) -> Job:
    """The answers of a system to the benchmarks of a task and split."""
    config = inputs.config
    own = config.pairs[pair]
    model = own.teacher if system == "teacher" else own.student
    size = inputs.size(model)
    levels = inputs.rows(task, split)
    seeds = 1 if system in UNTRAINED else config.seeds
    of_benchmark = {
        name: levels[benchmark.level] * (1 + config.evaluation.samples) * seeds
        for name, benchmark in layout.benchmarks_of(task, split).items()
    }
    answers = sum(of_benchmark.values())
    lengths = inputs.lengths[task]
    asked = [
        judging(config, config.judge_of(name), lengths, answered)
        for name, answered in of_benchmark.items()
    ]
    longest = lengths.prompt + config.rollout.max_new_tokens
    kept = inputs.dtype_of(model) if system in UNTRAINED else "float32"
    return Job(
        "evaluate",
        f"{pair}_{system}_{task}_{split}",
        pair,
        sampled=answers * lengths.response,
        sampling_transformers=costs.sampling(size, answers, lengths.prompt, lengths.response),
        memory=costs.sampling_memory(
            size, config.rollout.batch_size, longest, config.evaluation.dtype or kept
        ),
        disk=answers * lengths.response * ROLLOUT_BYTES,
        calls=sum(one["calls"] for one in asked),
        price=sum(one["price"] for one in asked),
    )


def report_jobs(inputs: Inputs, layout: Layout, trains: bool) -> Iterator[Job]:
    """What the workflow makes of all that was sampled; `trains` is whether anything is trained."""
    config = inputs.config
    light = [("table", name) for name in config.tables]
    light += [(name, "all") for name in ("power", "answers", "times", "report")]
    if trains:
        light.append(("budget", "all"))
    if any(table.paper for table in config.tables.values()):
        light += [("claims", "all"), ("contrast", "all"), ("theory", "all")]
    if any(layout.table_audit(SimpleNamespace(table=name)) for name in config.tables):
        light.append(("sandbox_audit", "all"))
    if config.figures is not None:
        yield loading_job(inputs, "figures_data", "all", config.figures.pair)
        light.append(("figures", "all"))
    if config.estimators is not None:
        for pair in config.estimators.pairs:
            yield loading_job(inputs, "variance_data", pair, pair)
            light.append(("curves", pair))
        light.append(("variance", "all"))
    for stage, name in light:
        yield Job(stage, name, reckoned=False)
