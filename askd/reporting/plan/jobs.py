"""The jobs of a run, and what those do that work with models or with their outputs.

They are found as the workflow finds them: from the trainings that tables (and the estimators) show,
back through the tables that each training reads. Checks of pairs, figures, gradient variance,
tables and reports take minutes: they are listed, but their work is not reckoned. The sweep and its
table are another target.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

from askd.config import (
    Config,
    EndpointJudge,
    PretrainedFromScratch,
    PrunedModel,
    Rollout,
    WarmStartedModel,
)
from askd.judge.position_check import PAIRS
from askd.layout import UNTRAINED, Layout
from askd.models.preflight.memory import BYTES, HEAD_COPIES
from askd.reporting.plan import costs
from askd.reporting.plan.inputs import Inputs

# Bytes of a sampled token on disk: its number, a log-probability, and some text.
ROLLOUT_BYTES, SCORE_BYTES = 12, 4
# Of a token that was trained on: its number, three log-probabilities, and some text.
TRAINED_ON_BYTES = 20
# Optimizer steps between the checkpoints are few: two are kept, and a third is being written.
CHECKPOINTS = 3
# What vLLM takes on a CPU when it is told nothing.
VLLM_CPU_CACHE_GIB = 2
GIB = 2**30
# Stages that have a model in main memory, and on no device.
LOADING = ("fetch", "prune")
# Validation answers of a model that is trained on a task are few, and are left out.


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
        judged: comparisons with a baseline answer.
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
    judged: float = 0
    reckoned: bool = True
    served: bool = False

    @property
    def operations(self) -> float:
        """All operations of models."""
        return self.sampling + self.sampling_transformers + self.scoring + self.training


# What adds up over seeds; a job holds one of them in memory at a time.
SUMS = [field.name for field in fields(Job) if field.type == "float" and field.name != "memory"]


def jobs_of(config: Config, inputs: Inputs) -> list[Job]:
    """The jobs of `config`, each once, in the order of the workflow.

    The first one that asks an endpoint also asks it about the pairs that show whether it can judge.
    """
    walk = _Walk(config, inputs)
    walk.walk()
    jobs = list(walk.jobs.values())
    first = next((number for number, job in enumerate(jobs) if job.judged), None)
    if first is not None and isinstance(config.judge, EndpointJudge):
        jobs[first] = replace(jobs[first], judged=jobs[first].judged + len(PAIRS))
    return jobs


class _Walk:
    def __init__(self, config: Config, inputs: Inputs) -> None:
        self.config = config
        self.inputs = inputs
        self.layout = Layout(config)
        self.jobs: dict[tuple[str, str], Job] = {}
        pattern = re.escape(self.layout.run).replace(r"\{", "{").replace(r"\}", "}")
        self._folder = re.compile(
            pattern.format(pair="(?P<pair>[^/]+)", run="(?P<run>[^/]+)", seed=r"\{seed\}")
            + r"/round(?P<round>\d+)/(?P<side>teacher|student)/(?P<table>\w+)\.parquet"
        )

    def walk(self) -> None:
        """Find all jobs."""
        shown: dict[tuple[str, str], None] = {}
        evaluated: dict[tuple[str, str, str, str], None] = {}
        for table in self.config.tables.values():
            for pair in table.pairs:
                for system in table.systems:
                    if system not in UNTRAINED:
                        shown[pair, system] = None
                    for name in table.benchmarks:
                        benchmark = self.config.benchmarks[name]
                        evaluated[pair, system, benchmark.task, benchmark.split] = None
        estimators = self.config.estimators
        if estimators is not None:
            methods = (estimators.near, *estimators.methods)
            shown |= {(pair, method): None for pair in estimators.pairs for method in methods}
        pairs = dict.fromkeys([pair for pair, *_ in evaluated] + [pair for pair, _ in shown])
        for pair in pairs:
            for model in (self.config.pairs[pair].teacher, self.config.pairs[pair].student):
                self._model(model)
        tasks = {self.config.pairs[pair].task for pair in pairs}
        for task in sorted(tasks | {task for *_, task, _ in evaluated}):
            self._add(Job("prompts", task))
        for pair, method in shown:
            for round_ in range(1, self.config.rounds + 1):
                self._train(SimpleNamespace(pair=pair, method=method, round=round_))
        for key in evaluated:
            self._evaluate(*key)
        self._reports()

    def _add(self, job: Job) -> None:
        if job.memory:
            process = self.config.plan.devices[self.config.plan.device].process_gib * GIB
            job = replace(job, memory=job.memory + process)
        self.jobs.setdefault((job.stage, job.name), job)

    def _add_of_all_seeds(self, job: Job) -> None:
        """Add a job that does for each seed, one after another, what `job` says of one."""
        sums = {name: getattr(job, name) * self.config.seeds for name in SUMS}
        self._add(replace(job, **sums))

    # --- models ----------------------------------------------------------------------------------

    def _model(self, name: str) -> None:
        model, size = self.config.models[name], self.inputs.size(name)
        for origin in model.models:
            self._model(origin)
        if isinstance(model, PretrainedFromScratch):
            self._supervised("pretrain", name, model, model.task)
        elif isinstance(model, WarmStartedModel):
            start = model.warm_start
            self._add(Job("prompts", start.task))
            self._supervised("warm_start", name, start, start.task)
        else:
            stage = "prune" if isinstance(model, PrunedModel) else "fetch"
            # The hub's cache keeps a model too.
            copies = 2 if getattr(model, "revision", None) else 1
            weights = size.parameters * BYTES[self.dtype_of(name)]
            self._add(Job(stage, name, disk=copies * weights))

    def _supervised(self, stage: str, name: str, model, task: str) -> None:
        size, lengths = self.inputs.size(name), self.inputs.lengths[task]
        tokens = lengths.prompt + lengths.response
        texts = model.steps * model.batch_size
        teacher = getattr(model, "teacher", None)
        responses = texts if teacher else 0
        self._add(
            Job(
                stage,
                name,
                sampled=responses * lengths.response,
                trained=texts * tokens,
                sampling_transformers=costs.sampling(
                    self.inputs.size(teacher), responses, lengths.prompt, lengths.response
                )
                if teacher
                else 0,
                training=costs.training(size, texts, tokens),
                memory=costs.training_memory(
                    size,
                    self.inputs.size(teacher) if teacher else None,
                    getattr(model, "micro_batch_size", model.batch_size),
                    tokens,
                    self.config.training.head_chunk,
                    "float32",
                ),
                disk=size.parameters * 4,
                state=CHECKPOINTS * size.parameters * 12,
            )
        )

    def dtype_of(self, name: str) -> str:
        """The type of a model's weights in its folder; trained students are float32."""
        model = self.config.models[name]
        if isinstance(model, PrunedModel):
            return self.dtype_of(model.prune.model)
        return getattr(model, "dtype", None) or "float32"

    # --- a round ---------------------------------------------------------------------------------

    def _of(self, wildcards):
        """The models, lengths and sections of a job's pair."""
        pair = self.config.pairs[wildcards.pair]
        return (
            self.inputs.size(pair.teacher),
            self.inputs.size(pair.student),
            self.inputs.lengths[pair.task],
            self.config.section("rollout", wildcards.pair),
            self.config.section("training", wildcards.pair),
        )

    def _prompts(self, wildcards, steps: int) -> int:
        """Distinct prompts of so many steps."""
        training = self.config.section("training", wildcards.pair)
        task = self.config.pairs[wildcards.pair].task
        known = sum(self.inputs.rows(task, "train").values())
        return min(steps * training.prompts_per_step, known)

    def _table(self, path: str) -> None:
        """The jobs behind a table of a round: those that make it, and those before them."""
        found = self._folder.fullmatch(path)
        where = SimpleNamespace(**found.groupdict())
        folder, table = path.rpartition("/")[0], where.table
        name = f"{where.pair}_{where.run}_round{where.round}"
        if table == "skewness":
            self._table(self.layout.own_rewards(where))
            if pooled := self.layout.pooled_rewards(where):
                self._table(pooled)
            self._add_of_all_seeds(Job("project", f"{name}_{where.side}", where.pair))
            return
        if table != "rollouts":
            self._table(f"{folder}/rollouts.parquet")
        responses, lengths = self._responses(where), self._of(where)[2]
        if table == "rewards":
            judged = responses if self._judges(self.config.pairs[where.pair].task) else 0
            self._add_of_all_seeds(Job("grade", f"{name}_{where.side}", where.pair, judged=judged))
        elif table == "scores":
            self._score(where, f"{name}_{where.side}", responses)
        elif where.side == "teacher":
            name = f"{where.pair}_round{where.round}"
            self._sample("rollout_teacher", name, where, responses, lengths)
        else:
            self._sample("rollout_student", name, where, responses, lengths)

    def _responses(self, where) -> int:
        training = self.config.section("training", where.pair)
        steps = self.layout.window(where) if where.side == "student" else training.steps_per_round
        samples = self.config.section("rollout", where.pair).samples_per_prompt
        return self._prompts(where, steps) * samples

    def _sample(self, stage: str, name: str, where, responses: int, lengths) -> None:
        rollout, own = self._of(where)[3], self.config.pairs[where.pair]
        self._with_models("preflight", where.pair, where.pair)
        method = self.layout.method_of(where)
        mixes = where.side == "student" and method is not None and method.policy is not None
        is_trained = where.side == "student" and int(where.round) > 0
        model = own.teacher if where.side == "teacher" else own.student
        engine = "transformers" if mixes else self._engine(rollout, None if is_trained else model)
        job = Job(
            stage,
            name,
            where.pair,
            sampled=responses * lengths.response,
            disk=responses * lengths.response * ROLLOUT_BYTES,
        )
        if engine == "openai":
            self._add_of_all_seeds(replace(job, served=True, reckoned=False))
            return
        kept = [(model, "float32" if is_trained else self.dtype_of(model))]
        kept += [(own.teacher, self.dtype_of(own.teacher))] if mixes else []
        models = [(self.inputs.size(name), rollout.dtype or dtype) for name, dtype in kept]
        work = sum(
            costs.sampling(size, responses, lengths.prompt, lengths.response) for size, _ in models
        )
        longest = lengths.prompt + rollout.max_new_tokens
        if engine == "vllm":
            ((size, _),) = models
            memory = self._vllm_memory(size, rollout.batch_size, longest, rollout)
            job = replace(job, sampling=work, memory=memory)
        else:
            memory = sum(
                costs.sampling_memory(size, rollout.batch_size, longest, dtype)
                for size, dtype in models
            )
            job = replace(job, sampling_transformers=work, memory=memory)
        self._add_of_all_seeds(job)

    def _engine(self, rollout: Rollout, model: str | None) -> str:
        """What runs a model in the rollout and score stages; None is a trained student."""
        if rollout.engine == "openai" and model not in rollout.openai.servers:
            return "transformers"
        return rollout.engine

    def _vllm_memory(self, size: costs.Size, batch: int, tokens: int, rollout: Rollout) -> int:
        """Bytes on each GPU. Without `cache_gib` the cache is whatever is left there, and at least
        what one sequence needs; on a CPU it has a size of its own."""
        cache_gib = rollout.vllm.cache_gib or (None if self.config.gpus else VLLM_CPU_CACHE_GIB)
        cache = None if cache_gib is None else int(cache_gib * GIB)
        return costs.vllm_memory(size, batch, tokens, rollout.vllm, cache)

    def _score(self, where, name: str, responses: int) -> None:
        teacher, _, lengths, rollout, training = self._of(where)
        model = self.config.pairs[where.pair].teacher
        job = Job("score", name, where.pair, disk=responses * lengths.response * SCORE_BYTES)
        engine = self._engine(rollout, model)
        if engine == "openai":
            self._add_of_all_seeds(replace(job, served=True, reckoned=False))
            return
        if engine == "vllm":
            longest = lengths.prompt + rollout.max_new_tokens
            memory = self._vllm_memory(teacher, training.head_chunk, longest, rollout)
        else:
            head = HEAD_COPIES * training.head_chunk * teacher.architecture.vocab_size * 4
            memory = teacher.parameters * BYTES[rollout.dtype or self.dtype_of(model)] + head
        scoring = costs.forward(teacher, responses, lengths.prompt + lengths.response)
        self._add_of_all_seeds(replace(job, scoring=scoring, memory=memory))

    def _train(self, where) -> None:
        for path in self.layout.train_tables(where).values():
            self._table(path)
        name = f"{where.pair}_{where.method}_round{where.round}"
        self._add_of_all_seeds(Job("schedule", f"{where.pair}", where.pair))
        teacher, student, lengths, rollout, _ = self._of(where)
        method, training = self.layout.method_of(where), self.layout.training_of(where)
        steps, tokens = training.steps_per_round, lengths.prompt + lengths.response
        per_step = {
            side: training.prompts_per_step * (1 if side == "reference" else samples)
            for side, samples in dict.fromkeys(method.terms, rollout.samples_per_prompt).items()
        }
        texts = steps * sum(per_step.values())
        read = steps * sum(
            per_step[side] for side, term in method.terms.items() if term.full_vocabulary
        )
        # Windows behind the first sample student outputs anew.
        window = self.layout.window(where)
        fresh = 0
        if "sgo" in method.terms:
            windows = math.ceil(steps / window) - 1
            fresh = windows * self._prompts(where, window) * rollout.samples_per_prompt
        scored = fresh if method.is_sampled("sgo") else 0
        samplers = [student, teacher] if method.policy else [student]
        graded = fresh if method.uses_rewards("sgo") else 0
        loads_teacher = method.needs_teacher_model or (fresh and (method.policy or scored))
        lora, trained = training.lora, student.parameters
        if lora is not None:
            trained = student.adapters(lora)
        task = self.config.pairs[where.pair].task
        self._add_of_all_seeds(
            Job(
                "train",
                name,
                where.pair,
                sampled=fresh * lengths.response,
                trained=texts * tokens,
                sampling_transformers=sum(
                    costs.sampling(model, fresh, lengths.prompt, lengths.response)
                    for model in samplers
                ),
                scoring=costs.forward(teacher, read + scored, tokens),
                training=costs.training(
                    student, texts, tokens, lora is not None, training.gradient_checkpointing
                ),
                memory=costs.training_memory(
                    student,
                    teacher if loads_teacher else None,
                    min(training.micro_batch_size, sum(per_step.values())),
                    lengths.prompt + rollout.max_new_tokens,
                    training.head_chunk,
                    training.dtype,
                    lora,
                    training.gradient_checkpointing,
                ),
                disk=student.parameters * 4 + texts * tokens * TRAINED_ON_BYTES,
                state=CHECKPOINTS * trained * 12,
                judged=graded if self._judges(task) else 0,
            )
        )

    # --- evaluation ------------------------------------------------------------------------------

    def _evaluate(self, pair: str, system: str, task: str, split: str) -> None:
        config = self.config
        own = config.pairs[pair]
        model = own.teacher if system == "teacher" else own.student
        size = self.inputs.size(model)
        levels = self.inputs.rows(task, split)
        items = sum(levels[b.level] for b in self.layout.benchmarks_of(task, split).values())
        seeds = 1 if system in UNTRAINED else config.seeds
        answers = items * (1 + config.evaluation.samples) * seeds
        lengths = self.inputs.lengths[task]
        longest = lengths.prompt + config.rollout.max_new_tokens
        kept = self.dtype_of(model) if system in UNTRAINED else "float32"
        self._add(
            Job(
                "evaluate",
                f"{pair}_{system}_{task}_{split}",
                pair,
                sampled=answers * lengths.response,
                sampling_transformers=costs.sampling(
                    size, answers, lengths.prompt, lengths.response
                ),
                memory=costs.sampling_memory(
                    size, config.rollout.batch_size, longest, config.evaluation.dtype or kept
                ),
                disk=answers * lengths.response * ROLLOUT_BYTES,
                judged=answers if self._judges(task) else 0,
            )
        )

    # --- checks and reports ----------------------------------------------------------------------

    def _with_models(self, stage: str, name: str, pair: str) -> None:
        """A short job that loads the teacher and the student of a pair."""
        own = self.config.pairs[pair]
        sizes = {model: self.inputs.size(model) for model in (own.teacher, own.student)}
        weights = sum(size.parameters * BYTES[self.dtype_of(name)] for name, size in sizes.items())
        self._add(Job(stage, name, pair, memory=weights, reckoned=False))

    def _reports(self) -> None:
        """Figures, tables and reports: what the workflow makes of all that was sampled."""
        config = self.config
        light = [("table", name) for name in config.tables]
        light += [(name, "all") for name in ("power", "answers", "times", "report")]
        if any(stage == "train" for stage, _ in self.jobs):
            light.append(("budget", "all"))
        if any(table.paper for table in config.tables.values()):
            light += [("claims", "all"), ("contrast", "all"), ("theory", "all")]
        if any(self.layout.table_audit(SimpleNamespace(table=name)) for name in config.tables):
            light.append(("sandbox_audit", "all"))
        if config.figures is not None:
            self._with_models("figures_data", "all", config.figures.pair)
            light.append(("figures", "all"))
        if config.estimators is not None:
            for pair in config.estimators.pairs:
                self._with_models("variance_data", pair, pair)
                light.append(("curves", pair))
            light.append(("variance", "all"))
        for stage, name in light:
            self._add(Job(stage, name, reckoned=False))

    def _judges(self, task: str) -> bool:
        return self.config.tasks[task].grader == "judge"
