"""A whole run, with the references between its sections."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from askd.config.agreement import Agreement, LmEval
from askd.config.base import Name, Strict, nearest, validate
from askd.config.differences import differences
from askd.config.evalplus import EvalPlus
from askd.config.judge import Judge, RuleJudge
from askd.config.methods import Method
from askd.config.models import Model, PretrainedFromScratch, PrunedModel, WarmStartedModel
from askd.config.plan import Plan
from askd.config.sandbox import SandboxSettings
from askd.config.stages import (
    Advantage,
    Benchmark,
    Estimators,
    Evaluation,
    Figures,
    PairSections,
    Rollout,
    Skewness,
    Sweep,
    Table,
    Training,
    Try,
)
from askd.config.tasks import DatasetTask, GeneratedTask, Pair, PairSection, Task

TRAINED = "model"
"""Name of the folder of every student that a training wrote."""


class Config(Strict):
    """A whole run at one scale."""

    extends: Literal["nano", "none"] = Field(
        default="nano",
        description="What this configuration is laid over: config/config.yaml, or nothing but the "
        "methods of config/methods.yaml.",
    )
    scale: Name = Field(description="Name of the scale; results go to results/SCALE.")
    results: str = Field(default="results", description="Folder of all results.")
    threads: PositiveInt = Field(
        default=1, description="CPU threads of a job with a model, and of one that grades."
    )
    gpus: Annotated[int, Field(ge=0)] = Field(
        default=0, description="GPUs that a job with a model takes; 0 runs on the CPU."
    )
    memory_mb: PositiveInt = Field(
        default=4000,
        description="Main memory of a job with a model, also of one that fetches or prunes it, in "
        "MB, for a cluster.",
    )
    runtime_minutes: PositiveInt = Field(
        default=60, description="Longest time of a job with a model, in minutes, for a cluster."
    )
    light_memory_mb: PositiveInt = Field(
        default=4000,
        description="Main memory of a job without a model (prompts, grading, tables), in MB, for a "
        "cluster.",
    )
    light_runtime_minutes: PositiveInt = Field(
        default=60,
        description="Longest time of a job without a model, in minutes, for a cluster; a judge "
        "that is asked over a network needs hours, and so do downloads.",
    )
    seeds: PositiveInt = Field(description="Number of seeds; they are 0, 1, ...")
    rounds: PositiveInt = Field(description="Rounds: sample, grade, project, train.")
    tasks: dict[Name, Task] = Field(description="Tasks by name.")
    models: dict[Name, Model] = Field(description="Models by name.")
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
    judge: Judge = Field(
        default=RuleJudge(), description="Who compares answers, where the grader is `judge`."
    )
    training: Training = Field(description="Student training.")
    evaluation: Evaluation = Field(default=Evaluation(), description="Benchmark evaluation.")
    sweep: Sweep | None = Field(
        default=None, description="Choice of learning rates and main hyper-parameters."
    )
    tuned: dict[str, dict[str, Try]] = Field(
        default={}, description="Chosen settings: pair, then method."
    )
    figures: Figures | None = Field(default=None, description="Figures 1 and 2.")
    estimators: Estimators | None = Field(
        default=None, description="Gradient variance and training curves."
    )
    agreement: Agreement | None = Field(
        default=None, description="Comparison with lm-eval and evalplus: `snakemake agreement`."
    )
    lm_eval: LmEval | None = Field(
        default=None, description="Benchmarks that lm-eval itself runs: `snakemake lm_eval`."
    )
    evalplus: EvalPlus | None = Field(
        default=None,
        description="Benchmarks of programs that evalplus judges beside us: `snakemake evalplus`.",
    )
    plan: Plan = Field(default=Plan(), description="Assumptions of the estimate of the costs.")

    @model_validator(mode="after")
    def _references_exist(self) -> Config:
        def known(kind: str, name: str, where: str, names: Iterable[str]) -> None:
            if name not in names:
                raise ValueError(f"{where}: unknown {kind} {name!r}; {nearest(name, names)}")

        for name, model in self.models.items():
            if isinstance(model, PretrainedFromScratch):
                known("task", model.task, f"models.{name}.task", self.tasks)
                if not isinstance(self.tasks[model.task], GeneratedTask):
                    raise ValueError(f"models.{name}.task: {model.task!r} is not a generated task")
            if isinstance(model, WarmStartedModel):
                task = model.warm_start.task
                known("task", task, f"models.{name}.warm_start.task", self.tasks)
            for origin in model.models:
                known("model", origin, f"models.{name}", self.models)
            self._models_behind(name)
        for name, pair in self.pairs.items():
            known("model", pair.teacher, f"pairs.{name}.teacher", self.models)
            known("model", pair.student, f"pairs.{name}.student", self.models)
            known("task", pair.task, f"pairs.{name}.task", self.tasks)
            if pair.tuned_as is not None:
                known("pair", pair.tuned_as, f"pairs.{name}.tuned_as", self.pairs)
        for name, benchmark in self.benchmarks.items():
            known("task", benchmark.task, f"benchmarks.{name}.task", self.tasks)
            task = self.tasks[benchmark.task]
            if isinstance(task, GeneratedTask):
                known("level", benchmark.level, f"benchmarks.{name}.level", task.levels)
            if isinstance(task, DatasetTask):
                levels = [source.level_name for source in getattr(task, benchmark.split)]
                known("level", benchmark.level, f"benchmarks.{name}.level", levels)
            if benchmark.judge and task.grader != "judge":
                raise ValueError(
                    f"benchmarks.{name}.judge: answers to {benchmark.task!r} are graded by "
                    f"{task.grader}, which asks no judge"
                )
        for name, table in self.tables.items():
            for pair in table.pairs:
                known("pair", pair, f"tables.{name}.pairs", self.pairs)
            for system in table.systems:
                systems = {*self.methods, "teacher", "student"}
                known("method", system, f"tables.{name}.systems", systems)
            for benchmark in table.benchmarks:
                known("benchmark", benchmark, f"tables.{name}.benchmarks", self.benchmarks)
            tasks = [self.tasks[self.benchmarks[benchmark].task] for benchmark in table.benchmarks]
            if len({task.measure for task in tasks}) > 1:
                measures = ", ".join(sorted({task.measure for task in tasks}))
                raise ValueError(
                    f"tables.{name}.benchmarks: they measure different things ({measures}), whose "
                    "mean says nothing; make a table of each"
                )
            known("method", table.compare, f"tables.{name}.compare", table.systems)
        if self.sweep is not None:
            for method in self.sweep.methods:
                known("method", method, "sweep.methods", self.methods)
            for pair in self.sweep.pairs:
                known("pair", pair, "sweep.pairs", self.pairs)
            for benchmark in self.sweep.benchmarks:
                known("benchmark", benchmark, "sweep.benchmarks", self.benchmarks)
            for method in self.sweep.alternatives:
                known("method", method, "sweep.alternatives", self.sweep.methods)
        known("device", self.plan.device, "plan.device", self.plan.devices)
        for name in self.plan.models:
            known("model", name, "plan.models", self.models)
        for name in self.plan.lengths:
            known("task", name, "plan.lengths", self.tasks)
        for name, method in self.methods.items():
            if method.tuned_as is not None:
                known("method", method.tuned_as, f"methods.{name}.tuned_as", self.methods)
        for pair, chosen in self.tuned.items():
            known("pair", pair, "tuned", self.pairs)
            for method in chosen:
                known("method", method, f"tuned.{pair}", self.methods)
        if self.figures is not None:
            known("pair", self.figures.pair, "figures.pair", self.pairs)
        if self.agreement is not None:
            if (solver := self.agreement.humaneval) is not None:
                known("model", solver.model, "agreement.humaneval.model", self.models)
            for name in ("math", "code"):
                answered = getattr(self.agreement, name)
                known("model", answered.model, f"agreement.{name}.model", self.models)
                benchmark = answered.benchmark
                known("benchmark", benchmark, f"agreement.{name}.benchmark", self.benchmarks)
        if self.lm_eval is not None:
            for pair in self.lm_eval.pairs:
                known("pair", pair, "lm_eval.pairs", self.pairs)
            for system in self.lm_eval.systems:
                known("system", system, "lm_eval.systems", {*self.methods, "teacher", "student"})
            for benchmark in self.lm_eval.benchmarks:
                known("benchmark", benchmark, "lm_eval.benchmarks", self.benchmarks)
        if self.evalplus is not None:
            for pair in self.evalplus.pairs:
                known("pair", pair, "evalplus.pairs", self.pairs)
            for system in self.evalplus.systems:
                known("system", system, "evalplus.systems", {*self.methods, "teacher", "student"})
        if self.estimators is not None:
            for pair in self.estimators.pairs:
                known("pair", pair, "estimators.pairs", self.pairs)
            for method in (self.estimators.near, *self.estimators.methods):
                known("method", method, "estimators", self.methods)
        return self

    def _models_behind(self, name: str, ahead: tuple[str, ...] = ()) -> None:
        """Refuse a model that is made from itself."""
        if name in ahead:
            raise ValueError(f"models.{name}: it is made from itself ({' <- '.join(ahead)})")
        for origin in self.models[name].models:
            if origin in self.models:
                self._models_behind(origin, (*ahead, name))

    @model_validator(mode="after")
    def _settings_agree(self) -> Config:
        own = [method.refresh_every for method in self.methods.values()]
        if any(
            self.section("advantage", pair).sides == "joint"
            and any([self.section("training", pair).refresh_every, *own])
            for pair in self.pairs
        ):
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
            tasks = {self.benchmarks[name].task for name in self.sweep.benchmarks}
            for pair in self.sweep.pairs:
                if self.pairs[pair].task not in tasks:
                    raise ValueError(
                        f"sweep.benchmarks: none is of {self.pairs[pair].task!r}, the task of the "
                        f"pair {pair}, which could not be tuned"
                    )
            if min(self.sweep.seeds) < self.seeds:
                raise ValueError("sweep.seeds: the seeds of the tables are not for choosing")
        if any(self.section("rollout", pair).temperature == 0 for pair in self.pairs):
            raise ValueError("rollout.temperature: 0 gives equal samples; use a positive one")
        for pair in self.pairs:
            self._check_engine(pair, self.section("rollout", pair))
        for name in self.benchmarks:
            self.judge_of(name)
        return self

    def _check_engine(self, pair: str, rollout: Rollout) -> None:
        """Refuse an engine that could not run the models of `pair`."""
        if rollout.engine != self.rollout.engine:
            raise ValueError(
                f"pairs.{pair}.settings.rollout.engine: {rollout.engine!r}, but all pairs have one "
                f"engine; set rollout.engine, which is {self.rollout.engine!r}"
            )
        if rollout.engine == "vllm" and rollout.vllm.tensor_parallel_size > max(self.gpus, 1):
            raise ValueError(
                "rollout.vllm.tensor_parallel_size: "
                f"{rollout.vllm.tensor_parallel_size} GPUs share a model, but a job has "
                f"{self.gpus}; raise gpus"
            )
        if rollout.engine == "openai":
            servers = rollout.openai.servers
            for name in servers:
                if name not in self.models:
                    raise ValueError(
                        f"rollout.openai.servers: unknown model {name!r}; "
                        f"{nearest(name, self.models)}"
                    )
            if TRAINED in servers:
                raise ValueError(
                    f"rollout.openai.servers: folders of trained students are named {TRAINED!r}, "
                    "so a model that is served needs another name"
                )
            if self.pairs[pair].teacher not in servers:
                raise ValueError(
                    f"rollout.openai.servers: rollout.engine is openai, but there is no server of "
                    f"{self.pairs[pair].teacher!r}, the teacher of the pair {pair}; name one, or "
                    "choose another engine"
                )

    @model_validator(mode="after")
    def _chosen_settings_fit(self) -> Config:
        for pair, own in self.pairs.items():
            for section in own.settings:
                self.section(section, pair)
            for name in self.methods:
                self.method(pair, name)
        return self

    def section(self, name: PairSection, pair: str) -> Any:
        """The section `name` as `pair` runs it.

        Raises:
            AskdError: what the pair's `settings` say of it is not valid.
        """
        common: Strict = getattr(self, name)
        own = self.pairs[pair].settings.get(name)
        if own is None:
            return common
        merged = _merged(common.model_dump(exclude_unset=True), own)
        return validate(type(common), merged, f"pairs.{pair}.settings.{name}")

    def judge_of(self, benchmark: str) -> Judge | None:
        """Who judges the answers to a benchmark; None if its task's grader asks no judge.

        Raises:
            AskdError: what the benchmark's `judge` says is not valid.
        """
        own = self.benchmarks[benchmark]
        if self.tasks[own.task].grader != "judge":
            return None
        merged = _merged(self.judge.model_dump(), own.judge)
        return validate(Judge, merged, f"benchmarks.{benchmark}.judge")

    def sections(self, pair: str) -> PairSections:
        """All such sections as `pair` runs them."""
        return PairSections(
            **{name: self.section(name, pair) for name in PairSections.model_fields}
        )

    def with_sweep_variants(self) -> Config:
        """This configuration with each try of the sweep as a method more."""
        if self.sweep is None:
            return self
        variants = {
            name: _with_options(self.methods[method], tried.options, f"sweep, {name}").model_copy(
                update={"learning_rate": tried.learning_rate}
            )
            for method in self.sweep.methods
            for name, tried in self.sweep.tries(method).items()
        }
        return self.model_copy(update={"methods": {**self.methods, **variants}})

    def swept(self, pair: str) -> list[str]:
        """The methods of the sweep that a table shows for `pair`."""
        tables = [table for table in self.tables.values() if pair in table.pairs]
        return [m for m in self.sweep.methods if any(m in table.systems for table in tables)]

    def method(self, pair: str, name: str) -> Method:
        """The method `name` as `pair` runs it: with the options that were chosen for the pair."""
        method = self.methods[name]
        tuned = self._tuned(pair, method.tuned_as or name)
        if tuned is None or not tuned.options:
            return method
        where = f"tuned, {pair}, {name}"
        if method.tuned_as is None:
            return _with_options(method, tuned.options, where)
        own = method.model_dump(exclude_unset=True)
        return validate(Method, _merged(tuned.options, own), where)

    def chosen_options(self, pair: str, name: str) -> dict[str, Any]:
        """Where `pair` runs the method `name` otherwise than its own row says, by dotted key."""
        written = self.methods[name].model_dump(mode="json")
        return dict(differences(written, self.method(pair, name).model_dump(mode="json")))

    def misleads(self, pair: str) -> bool:
        """Whether the teacher of `pair` learned systematic errors that the worked answers of the
        pair's task do not have."""
        task, model = self.tasks[self.pairs[pair].task], self.models[self.pairs[pair].teacher]
        while isinstance(model, PrunedModel):
            model = self.models[model.prune.model]
        return (
            isinstance(task, GeneratedTask)
            and isinstance(model, PretrainedFromScratch)
            and model.errors.systematic > 0
            and task.errors.systematic == 0
        )

    def learning_rate(self, pair: str, method: str) -> float:
        """The peak learning rate of `method` on `pair`: its own, the tuned, or the default one."""
        tuned = self._tuned(pair, self.methods[method].tuned_as or method)
        return (
            self.methods[method].learning_rate
            or (tuned.learning_rate if tuned else None)
            or self.training.learning_rate
        )

    def _tuned(self, pair: str, method: str) -> Try | None:
        source = self.pairs[pair].tuned_as or pair
        return self.tuned.get(source, {}).get(method)


def _with_options(method: Method, options: dict[str, Any], where: str) -> Method:
    """`method` with parts of it replaced.

    Raises:
        AskdError: the result is no valid method.
    """
    return validate(Method, _merged(method.model_dump(exclude_unset=True), options), where)


def _merged(value: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    merged = dict(value)
    for key, option in options.items():
        if isinstance(option, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], option)
        else:
            merged[key] = option
    return merged


def schema() -> str:
    """The JSON schema of `Config`, as kept in config/schema.json."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"
