"""A job of a plan, and what the jobs of several stages have in common."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

GIB = 2**30
# Stages that have a model in main memory, and on no device.
LOADING = ("fetch", "prune")
# Bytes of a sampled token on disk: its number, a log-probability, and some text.
ROLLOUT_BYTES = 12
# Optimizer steps between the checkpoints are few: two are kept, and a third is being written.
CHECKPOINTS = 3


@dataclass(frozen=True)
class Job:
    """A job; operations are by the part of the device's peak that they reach.

    Attributes:
        stage: the rule.
        name: which one of the stage.
        pair: the pair that it belongs to, or "" where several share it.
        sampled: tokens of responses that are sampled.
        trained: tokens of prompts and responses that are trained on.
        sampling: operations of sampling with the configured engine.
        sampling_transformers: operations of sampling within transformers.
        scoring: operations of forward passes over whole texts.
        training: operations of forward and backward passes.
        memory: bytes on each device; 0 without a model.
        disk: bytes that stay on disk.
        state: bytes on disk while the job runs.
        calls: of judges behind an endpoint.
        price: of these calls; not a number where a judge has no prices.
        reckoned: whether the work of the job is known, beyond its start.
        served: whether a server has the model, and does the work.
    """

    stage: str
    name: str
    pair: str = ""
    sampled: float = 0
    trained: float = 0
    sampling: float = 0
    sampling_transformers: float = 0
    scoring: float = 0
    training: float = 0
    memory: float = 0
    disk: float = 0
    state: float = 0
    calls: float = 0
    price: float = 0
    reckoned: bool = True
    served: bool = False

    @property
    def operations(self) -> float:
        """All operations of models."""
        return self.sampling + self.sampling_transformers + self.scoring + self.training

    def of_seeds(self, seeds: int) -> Job:
        """The job that does for each of `seeds`, one after another, what this one does for one."""
        return replace(self, **{name: getattr(self, name) * seeds for name in SUMS})


# What adds up over seeds; a job holds one of them in memory at a time.
SUMS = [field.name for field in fields(Job) if field.type == "float" and field.name != "memory"]
