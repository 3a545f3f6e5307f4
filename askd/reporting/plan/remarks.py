"""What is to be said below the tables of a plan."""

from __future__ import annotations

import re

from askd.config import Config, DatasetTask, Device, ModelFromSource
from askd.reporting.plan.asked import asked
from askd.reporting.plan.estimate import duration, estimate, hours, judge_price
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.job import GIB, Job
from askd.reporting.plan.text import number

# Where an estimate comes nearer to the memory of a device, the job may not fit.
TIGHT = 0.9
COMMIT = re.compile(r"[0-9a-f]{40}")


def remarks(
    config: Config, jobs: list[Job], stages: dict[str, list[Job]], inputs: Inputs
) -> list[str]:
    """The largest item, what may fail, what moves, and the price of the judge; a line for each."""
    device = config.plan.devices[config.plan.device]
    by_stage = {stage: estimate(config, found).hours for stage, found in stages.items()}
    stage = max(by_stage, key=by_stage.get)
    job = max(jobs, key=lambda job: hours(config, job) if job.memory else 0)
    lines = [
        f"Largest item: {stage}, {number(by_stage[stage])} hours of "
        f"{number(sum(by_stage.values()))}; largest job: {job.stage} {job.name}, "
        f"{number(hours(config, job))} hours."
    ]
    lines += _too_large(jobs, device)
    lines += _too_long(config, jobs)
    lines += _not_pinned(config)
    state = max(job.state for job in jobs)
    if state:
        lines.append(
            f"Besides, a job that runs keeps up to {number(state / 1e9)} GB of checkpoints."
        )
    price = judge_price(jobs)
    if price is not None:
        lines.append(
            f"Judge: about {number(price)} at the prices of the configuration, without second "
            "calls for replies that hold no verdict."
        )
    return lines


def _too_large(jobs: list[Job], device: Device) -> list[str]:
    """What is to be said of jobs that do not fit on the device, or hardly."""
    room = device.memory_gib * GIB
    tight = f"need more than {TIGHT:.0%} of the device's memory"
    groups = (
        ("need more memory than the device has", lambda memory: memory > room),
        (tight, lambda memory: TIGHT * room < memory <= room),
    )
    lines = []
    for what, belongs in groups:
        found = [job for job in jobs if belongs(job.memory)]
        if found:
            worst = max(found, key=lambda job: job.memory)
            lines.append(
                f"Jobs that {what}: {len(found)}, up to {number(worst.memory / GIB)} GiB "
                f"({worst.stage} {worst.name}). Make `rollout.batch_size` smaller, or "
                "`training.micro_batch_size` and `training.head_chunk`."
            )
    return lines


def _too_long(config: Config, jobs: list[Job]) -> list[str]:
    """What is to be said of jobs that take longer than they ask a cluster for."""
    devices = config.gpus or config.threads
    times = {job: duration(config, job, devices) for job in jobs}
    found = [job for job in jobs if times[job] > 60 * asked(config, job).minutes]
    if not found:
        return []
    worst = max(found, key=times.get)
    return [
        f"Jobs that take longer than they ask for (`runtime_minutes`, `light_runtime_minutes`): "
        f"{len(found)}, up to {number(times[worst] / 3600)} hours of "
        f"{number(asked(config, worst).minutes / 60)} ({worst.stage} {worst.name}). A cluster "
        "ends them there; started again, as by `retries` of profiles/slurm, they go on from their "
        "state."
    ]


def _not_pinned(config: Config) -> list[str]:
    """What is to be said of sources that may be others tomorrow: branches, tags, files."""
    found = [
        f"models.{name} ({model.revision})"
        for name, model in config.models.items()
        if isinstance(model, ModelFromSource)
        and model.revision is not None
        and not COMMIT.fullmatch(model.revision)
    ]
    for name, task in config.tasks.items():
        if not isinstance(task, DatasetTask):
            continue
        for split in ("train", "validation", "test"):
            for place, source in enumerate(getattr(task, split)):
                where = f"tasks.{name}.{split}.{place}"
                if source.dataset is not None and not COMMIT.fullmatch(source.revision):
                    found.append(f"{where} ({source.revision})")
                if source.url is not None and source.sha256 is None:
                    found.append(f"{where} (no sha256)")
    for name, file in (config.evalplus.benchmarks if config.evalplus else {}).items():
        if file.url is not None and file.sha256 is None:
            found.append(f"evalplus.benchmarks.{name} (no sha256)")
    if not found:
        return []
    return [
        f"Not pinned, so that another day may bring others: {', '.join(found)}. A commit as the "
        "`revision` pins a model or data set (`models/NAME.source.json` says which was fetched)."
    ]
