"""What jobs ask a cluster for, as `MODEL_JOB`, `TEACHER_JOB` and others of the workflow say."""

from __future__ import annotations

from dataclasses import dataclass

from askd.config import Config
from askd.reporting.plan.job import LOADING, Job


@dataclass(frozen=True)
class Asked:
    """GPUs, threads, MB of main memory and minutes of a job."""

    gpus: int
    threads: int
    memory_mb: int
    minutes: int


def asked(config: Config, job: Job) -> Asked:
    """What `job` asks for."""
    if job.memory or job.served:
        # A student's rollouts ask for a GPU in any round: no server has the trained ones.
        gpus = 0 if job.served and job.stage != "rollout_student" else config.gpus
        return Asked(gpus, config.threads, config.memory_mb, config.runtime_minutes)
    return Asked(
        gpus=0,
        threads=config.threads if job.stage == "grade" else 1,
        memory_mb=config.memory_mb if job.stage in LOADING else config.light_memory_mb,
        minutes=config.light_runtime_minutes,
    )
