"""What jobs cost: seconds, and sums over many of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from askd.config import Config, Device, EndpointJudge
from askd.reporting.plan.inputs import Inputs
from askd.reporting.plan.job import LOADING, Job

# A judge is asked in both orders. Its prompt holds the question, both answers and the instructions.
ORDERS, JUDGE_WORDS = 2, 250


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
        calls=_calls(config, sum(job.judged for job in jobs)),
    )


def waiting(config: Config, judged: float) -> float:
    """Seconds until an endpoint has judged so many comparisons, `judge.concurrency` at a time."""
    if not isinstance(config.judge, EndpointJudge):
        return 0
    return _calls(config, judged) * config.plan.judge_seconds / config.judge.concurrency


def duration(config: Config, job: Job, devices: int = 1) -> float:
    """Seconds of a job on the configured device, the judge's replies included."""
    device = config.plan.devices[config.plan.device]
    own = seconds(job, device, config.plan.light_seconds, devices)
    return own + waiting(config, job.judged)


def hours(config: Config, job: Job) -> float:
    """Hours of a job on the configured device."""
    return duration(config, job) / 3600


def _calls(config: Config, judged: float) -> float:
    return ORDERS * judged if isinstance(config.judge, EndpointJudge) else 0


def judge_price(config: Config, jobs: Iterable[Job], inputs: Inputs) -> float | None:
    """Price of all calls of the judge: prompt and reply tokens times their prices by the million.

    A prompt is the question, two answers and 250 tokens of instructions. None without prices.
    """
    judge = config.judge
    if not isinstance(judge, EndpointJudge) or None in (judge.prompt_price, judge.completion_price):
        return None
    price = 0.0
    for job in jobs:
        if job.judged:
            lengths = inputs.lengths[config.pairs[job.pair].task]
            asked = lengths.prompt + 2 * lengths.response + JUDGE_WORDS
            of_a_call = (
                asked * judge.prompt_price + config.plan.judge_reply * judge.completion_price
            )
            price += ORDERS * job.judged * of_a_call / 1e6
    return price
