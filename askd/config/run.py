"""A whole run, with the references between its sections."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from askd.config.base import Name, Strict, nearest
from askd.config.methods import Method
from askd.config.sandbox import SandboxSettings
from askd.config.stages import (
    Advantage,
    Benchmark,
    Evaluation,
    Rollout,
    Skewness,
    Sweep,
    Table,
    Training,
)
from askd.config.tasks import GeneratedTask, Pair, PretrainedFromScratch, Task


class Config(Strict):
    """A whole run at one scale."""

    scale: Name = Field(description="Name of the scale; results go to results/SCALE.")
    results: str = Field(default="results", description="Folder of all results.")
    threads: PositiveInt = Field(default=1, description="CPU threads of a job with a model.")
    gpus: Annotated[int, Field(ge=0)] = Field(
        default=0, description="GPUs that a job with a model takes; 0 runs on the CPU."
    )
    seeds: PositiveInt = Field(description="Number of seeds; they are 0, 1, ...")
    rounds: PositiveInt = Field(description="Rounds: sample, grade, project, train.")
    tasks: dict[Name, Task] = Field(description="Tasks by name.")
    models: dict[Name, PretrainedFromScratch] = Field(description="Models by name.")
    pairs: dict[Name, Pair] = Field(description="Teacher-student pairs by name.")
    methods: dict[Name, Method] = Field(description="Methods by name.")
    benchmarks: dict[Name, Benchmark] = Field(description="Benchmarks by name.")
    tables: dict[Name, Table] = Field(description="Tables by name.")
    rollout: Rollout = Field(description="Sampling of training responses.")
    advantage: Advantage = Field(default=Advantage(), description="Normalisation of rewards.")
    skewness: Skewness = Field(default=Skewness(), description="Projection to skewness.")
    sandbox: SandboxSettings = Field(
        default=SandboxSettings(), description="Where programs that a model wrote are run."
    )
    training: Training = Field(description="Student training.")
    evaluation: Evaluation = Field(default=Evaluation(), description="Benchmark evaluation.")
    sweep: Sweep | None = Field(default=None, description="Choice of learning rates.")
    tuned: dict[str, dict[str, PositiveFloat]] = Field(
        default={}, description="Chosen learning rates: pair, then method."
    )

    @model_validator(mode="after")
    def _references_exist(self) -> Config:
        def known(kind: str, name: str, where: str, names: Iterable[str]) -> None:
            if name not in names:
                raise ValueError(f"{where}: unknown {kind} {name!r}; {nearest(name, names)}")

        for name, model in self.models.items():
            known("task", model.task, f"models.{name}.task", self.tasks)
            if not isinstance(self.tasks[model.task], GeneratedTask):
                raise ValueError(f"models.{name}.task: {model.task!r} is not a generated task")
        for name, pair in self.pairs.items():
            known("model", pair.teacher, f"pairs.{name}.teacher", self.models)
            known("model", pair.student, f"pairs.{name}.student", self.models)
            known("task", pair.task, f"pairs.{name}.task", self.tasks)
        for name, benchmark in self.benchmarks.items():
            known("task", benchmark.task, f"benchmarks.{name}.task", self.tasks)
            task = self.tasks[benchmark.task]
            if isinstance(task, GeneratedTask):
                known("level", benchmark.level, f"benchmarks.{name}.level", task.levels)
        for name, table in self.tables.items():
            for pair in table.pairs:
                known("pair", pair, f"tables.{name}.pairs", self.pairs)
            for system in table.systems:
                systems = {*self.methods, "teacher", "student"}
                known("method", system, f"tables.{name}.systems", systems)
            for benchmark in table.benchmarks:
                known("benchmark", benchmark, f"tables.{name}.benchmarks", self.benchmarks)
            known("method", table.compare, f"tables.{name}.compare", table.systems)
        if self.sweep is not None:
            for method in self.sweep.methods:
                known("method", method, "sweep.methods", self.methods)
            for pair in self.sweep.pairs:
                known("pair", pair, "sweep.pairs", self.pairs)
            for benchmark in self.sweep.benchmarks:
                known("benchmark", benchmark, "sweep.benchmarks", self.benchmarks)
        for pair, chosen in self.tuned.items():
            known("pair", pair, "tuned", self.pairs)
            for method in chosen:
                known("method", method, f"tuned.{pair}", self.methods)
        return self

    @model_validator(mode="after")
    def _settings_agree(self) -> Config:
        if self.advantage.sides == "joint" and self.training.refresh_every:
            raise ValueError(
                "advantage.sides: joint needs training.refresh_every: 0, since refreshed student "
                "outputs have no teacher outputs of the same age to be pooled with"
            )
        if self.sweep is not None:
            for name in self.sweep.benchmarks:
                if self.benchmarks[name].split != "validation":
                    raise ValueError(
                        f"sweep.benchmarks: {name} is of test items; never choose on them"
                    )
            if min(self.sweep.seeds) < self.seeds:
                raise ValueError("sweep.seeds: the seeds of the tables are not for choosing")
        if self.rollout.temperature == 0:
            raise ValueError("rollout.temperature: 0 gives equal samples; use a positive one")
        return self

    def with_sweep_variants(self) -> Config:
        """This configuration with each swept method at each learning rate as a method more."""
        if self.sweep is None:
            return self
        variants = {
            name: self.methods[method].model_copy(update={"learning_rate": rate})
            for method in self.sweep.methods
            for rate, name in self.sweep.variants(method).items()
        }
        return self.model_copy(update={"methods": {**self.methods, **variants}})

    def learning_rate(self, pair: str, method: str) -> float:
        """The peak learning rate of `method` on `pair`: its own, the tuned, or the default one."""
        return (
            self.methods[method].learning_rate
            or self.tuned.get(pair, {}).get(method)
            or self.training.learning_rate
        )


def schema() -> str:
    """The JSON schema of `Config`, as kept in config/schema.json."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"
