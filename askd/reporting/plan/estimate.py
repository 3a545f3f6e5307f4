"""What jobs cost: seconds, and sums over many of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from askd.config import Config, Device
from askd.reporting.plan.job import LOADING, Job


@dataclass(frozen=True)
class Estimate:
    """Sums over jobs."""

    jobs: int
    sampled: float
    trained: float
    operations: float
    hours: float
    memory: float
    disk: float
    calls: float


def seconds(job: Job, device: Device, light: float, devices: int = 1) -> float:
    """Seconds of a job on `devices`: its start, and operations over the part of the peak.

    The operations of each kind are divided by peak_tflops times 10^12 times the kind's part. A job
    that fetches or prunes a model, or has a server run it, starts as one that works with it, and
    all others without a model take `light` seconds. Downloads, running programs, the work of such a
    server, and all of the network but the judge (`waiting`), are not reckoned.
    """
    if not job.memory:
        return device.start_seconds if job.stage in LOADING or job.served else light
    peak = devices * device.peak_tflops * 1e12
    return device.start_seconds + sum(
        getattr(job, kind) / (peak * getattr(device, kind))
        for kind in ("sampling", "sampling_transformers", "scoring", "training")
    )


def estimate(config: Config, jobs: Iterable[Job]) -> Estimate:
    """What `jobs` cost together; memory is that of the largest, and disk what stays."""
    jobs = list(jobs)
    return Estimate(
        jobs=len(jobs),
        sampled=sum(job.sampled for job in jobs),
        trained=sum(job.trained for job in jobs),
        operations=sum(job.operations for job in jobs),
        hours=sum(hours(config, job) for job in jobs if job.memory),
        memory=max((job.memory for job in jobs), default=0),
        disk=sum(job.disk for job in jobs),
        calls=sum(job.calls for job in jobs),
    )


def waiting(config: Config, calls: float) -> float:
    """Seconds until so many calls are answered, `judge.concurrency` at a time."""
    return calls and calls * config.plan.judge_seconds / config.judge.concurrency


def duration(config: Config, job: Job, devices: int = 1) -> float:
    """Seconds of a job on the configured device, the judge's replies included."""
    device = config.plan.devices[config.plan.device]
    own = seconds(job, device, config.plan.light_seconds, devices)
    return own + waiting(config, job.calls)


def hours(config: Config, job: Job) -> float:
    """Hours of a job on the configured device."""
    return duration(config, job) / 3600


def judge_price(jobs: Iterable[Job]) -> float | None:
    """Price of all calls of judges; None where there are none, or no prices."""
    price = sum(job.price for job in jobs)
    return None if math.isnan(price) or not price else price
