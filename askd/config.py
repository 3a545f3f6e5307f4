"""The configuration: every key, its meaning, its bounds, and the references between sections.

`Config` describes a whole run (one scale). The smaller models below it are also the settings of
single stages: the workflow passes each stage just the sections that it reads, as JSON, so that an
edit of one key reruns only what depends on it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from askd.errors import AskdError

Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.@-]*$")]


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt `word`: the nearest known one, or all that are known."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known) or 'none'}."


class Strict(BaseModel):
    """A section: unknown keys are errors that name the nearest known key."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest_key(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {key!r}; {nearest(str(key), cls.model_fields)}")
        return value


# --- tasks -------------------------------------------------------------------------------------


class ArithmeticLevel(Strict):
    """One difficulty of the arithmetic task."""

    operations: list[PositiveInt] = Field(
        min_length=1, description="Numbers of operations of an expression, drawn evenly."
    )
    train: PositiveInt = Field(description="Distinct training expressions.")
    validation: PositiveInt = Field(description="Distinct validation expressions.")
    test: PositiveInt = Field(description="Distinct test expressions.")


class ErrorProcess(Strict):
    """How worked steps go wrong; an error is carried on to the later steps."""

    noise: Fraction = Field(
        default=0.0, description="Probability that a step's result is off by one, either way."
    )
    systematic: Fraction = Field(
        default=0.0,
        description="Probability that subtracting 4 or more gives a result that is one too large.",
    )


class ArithmeticTask(Strict):
    """Generated chains of additions and subtractions with worked steps."""

    kind: Literal["arithmetic"] = Field(description="Generated arithmetic.")
    largest_operand: Annotated[int, Field(ge=1, le=9)] = Field(
        default=5, description="Operands are drawn from 1 to this; running values stay in 0 to 9."
    )
    levels: dict[Name, ArithmeticLevel] = Field(min_length=1, description="Difficulties by name.")
    errors: ErrorProcess = Field(
        default=ErrorProcess(),
        description="Errors in the fixed data set's worked answers (`response`).",
    )
    seed: int = Field(default=0, description="Seed of the generator.")
    grader: Literal["arithmetic"] = Field(default="arithmetic", description="Gives the rewards.")


class JsonlTask(Strict):
    """Prompts from JSON Lines files with the keys `prompt`, `reference` and, optionally,
    `response` and `level`."""

    kind: Literal["jsonl"] = Field(description="Prompts from your own files.")
    train: str = Field(description="Path of the training prompts.")
    validation: str = Field(description="Path of the validation prompts.")
    test: str = Field(description="Path of the test prompts.")
    grader: Literal["arithmetic"] = Field(description="Gives the rewards.")


Task = Annotated[ArithmeticTask | JsonlTask, Field(discriminator="kind")]


# --- models ------------------------------------------------------------------------------------


class PretrainedFromScratch(Strict):
    """A tiny Qwen2-architecture model that the workflow trains from scratch on a task."""

    task: str = Field(description="Name of the arithmetic task it learns.")
    errors: ErrorProcess = Field(description="Errors in the worked answers it learns from.")
    hidden_size: PositiveInt = Field(description="Width; a multiple of `heads`.")
    layers: PositiveInt = Field(default=2, description="Number of transformer layers.")
    heads: PositiveInt = Field(default=4, description="Number of attention heads.")
    steps: PositiveInt = Field(description="Optimizer steps, at most.")
    stop_at_accuracy: Fraction | None = Field(
        default=None,
        description="Stop once so many validation prompts are answered right at temperature 1, "
        "so that a student has room; the learning rate stays at its peak until then, and a short "
        "cool-down follows.",
    )
    batch_size: PositiveInt = Field(default=64, description="Worked answers per step.")
    learning_rate: PositiveFloat = Field(description="Peak learning rate.")
    seed: int = Field(default=0, description="Seed of the weights and of the data order.")


class Pair(Strict):
    """A teacher and the student that it is distilled into."""

    teacher: str = Field(description="Name of a model.")
    student: str = Field(description="Name of a model.")
    task: str = Field(description="Name of the task whose prompts are trained on.")
    label: str = Field(description="Heading in tables: the pair's counterpart in the paper.")
    note: str = Field(default="", description="What kind of teacher this is, for captions.")


# --- methods -----------------------------------------------------------------------------------


class _Term(Strict):
    # The module of askd.objectives that holds the divergence.
    objective: ClassVar[str]

    weight: PositiveFloat = Field(default=1.0, description="Weight of this term in the loss.")


class NllTerm(_Term):
    """Negative log-likelihood of the tokens."""

    objective: ClassVar[str] = "likelihood"
    divergence: Literal["nll"] = Field(description="Negative log-likelihood.")


class JsdTerm(_Term):
    """Generalized Jensen-Shannon divergence over the full vocabulary."""

    objective: ClassVar[str] = "jensen_shannon"
    divergence: Literal["jsd"] = Field(description="Generalized Jensen-Shannon divergence.")
    estimator: Literal["full_vocabulary"] = Field(
        default="full_vocabulary", description="Exact sum over the vocabulary at each prefix."
    )
    beta: Fraction = Field(description="Weight of the teacher in the mixture (0: forward KL).")


class _SkewTerm(_Term):
    divergence: Literal["skl", "srkl"] = Field(description="Skew KL or skew reverse KL.")
    skewness: Literal["projected"] | Fraction = Field(
        description="Weight of the student in the mixture: a number, or projected from rewards."
    )
    clip_correct: bool = Field(
        default=False, description="Drop the samples that are correct (kappa, Eq. 13)."
    )


class FullVocabularySkewTerm(_SkewTerm):
    """Skew divergence with the exact sum over the vocabulary at each prefix."""

    objective: ClassVar[str] = "skew"
    estimator: Literal["full_vocabulary"] = Field(description="Exact sum over the vocabulary.")
    detach_mixture: bool = Field(
        default=False, description="Stop the gradient through the mixture (DistiLLM-2's SRKL)."
    )

    @model_validator(mode="after")
    def _only_the_reverse_mixture_detaches(self) -> FullVocabularySkewTerm:
        if self.detach_mixture and self.divergence == "skl":
            raise ValueError("detach_mixture goes with srkl: a detached skl has no gradient")
        return self


class SampledSkewTerm(_SkewTerm):
    """Skew divergence estimated from the sampled tokens alone (Eqs. 8-11)."""

    objective: ClassVar[str] = "sampled"
    estimator: Literal["sampled"] = Field(description="Monte Carlo over the sampled tokens.")
    form: Literal["token", "sequence_mixture", "product"] = Field(
        default="token", description="Mixture per token, per sequence, or Eqs. 10-11 as printed."
    )
    returns: Literal["myopic", "reward_to_go"] = Field(
        default="myopic", description="The log term of this token, or of this and all later ones."
    )
    constant: Literal["keep", "drop"] = Field(
        default="keep", description="Keep or drop what the srkl coefficient is at q = p: alpha - 1."
    )
    importance: Literal["none", "ratio", "clipped"] = Field(
        default="none", description="Correct for stale samples by the ratio to the sampler."
    )
    clip_range: PositiveFloat = Field(default=0.2, description="Range of the clipped ratio.")


def _term_kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        value = vars(value) if isinstance(value, _Term) else {}
    divergence, estimator = value.get("divergence"), value.get("estimator")
    if divergence in ("skl", "srkl"):
        return f"skew {estimator}"
    return divergence


Term = Annotated[
    Annotated[NllTerm, Tag("nll")]
    | Annotated[JsdTerm, Tag("jsd")]
    | Annotated[FullVocabularySkewTerm, Tag("skew full_vocabulary")]
    | Annotated[SampledSkewTerm, Tag("skew sampled")],
    Discriminator(
        _term_kind,
        custom_error_type="unknown_term",
        custom_error_message="a term needs `divergence`: nll, jsd, skl or srkl, and for skl and "
        "srkl `estimator`: full_vocabulary or sampled",
    ),
]

SIDES = ("reference", "tgo", "sgo")


class Method(Strict):
    """A row of the tables: which outputs are trained on, with which divergence."""

    label: str = Field(description="The method's name in tables.")
    reference: NllTerm | None = Field(default=None, description="Term on the fixed data set.")
    tgo: Term | None = Field(default=None, description="Term on teacher-generated outputs.")
    sgo: Term | None = Field(default=None, description="Term on student-generated outputs.")
    learning_rate: PositiveFloat | None = Field(
        default=None, description="Peak learning rate, where it differs from the tuned one."
    )

    @model_validator(mode="after")
    def _has_a_term(self) -> Method:
        if not self.terms:
            raise ValueError("a method needs at least one of the terms reference, tgo, sgo")
        return self

    @property
    def terms(self) -> dict[str, Any]:
        """The terms that the method has, by side."""
        return {side: getattr(self, side) for side in SIDES if getattr(self, side) is not None}

    def uses_rewards(self, side: str) -> bool:
        """Whether the term on `side` (tgo or sgo) reads rewards of its samples."""
        term = self.terms.get(side)
        return isinstance(term, _SkewTerm) and (term.skewness == "projected" or term.clip_correct)

    def is_sampled(self, side: str) -> bool:
        """Whether the term on `side` reads teacher log-probabilities of the sampled tokens."""
        return isinstance(self.terms.get(side), SampledSkewTerm)

    @property
    def objective_modules(self) -> list[str]:
        """The modules of askd.objectives that hold the divergences of the terms."""
        return sorted({f"askd.objectives.{term.objective}" for term in self.terms.values()})

    @property
    def needs_teacher_model(self) -> bool:
        """Whether training loads the teacher: some term sums over the full vocabulary."""
        return any(
            getattr(term, "estimator", None) == "full_vocabulary" for term in self.terms.values()
        )

    @property
    def supervision(self) -> str:
        """What the method sees of the true answers, for footnotes of tables."""
        if self.uses_rewards("tgo") or self.uses_rewards("sgo"):
            return "rewards"
        return "worked answers" if self.reference else "none"


# --- stages ------------------------------------------------------------------------------------


class Rollout(Strict):
    """Sampling of responses."""

    samples_per_prompt: PositiveInt = Field(default=4, description="Samples G for each prompt.")
    temperature: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="Sampling temperature; 0 is greedy."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="Probability mass of the nucleus."
    )
    max_new_tokens: PositiveInt = Field(description="Longest response, end of sequence included.")
    batch_size: PositiveInt = Field(default=256, description="Responses that are sampled at once.")
    shard_size: PositiveInt = Field(
        default=4096, description="Responses per shard; an interrupted rollout resumes by shards."
    )

    @property
    def is_plain(self) -> bool:
        """Whether sampled tokens come from the model's own distribution, unwarped."""
        return self.temperature == 1.0 and self.top_p == 1.0


class Advantage(Strict):
    """Normalisation of rewards."""

    normalization: Literal["group", "batch"] = Field(
        default="group", description="Over the samples of a prompt (GRPO) or all (REINFORCE++)."
    )
    sides: Literal["separate", "joint"] = Field(
        default="separate", description="Moments of teacher and student outputs apart or pooled."
    )
    epsilon: PositiveFloat = Field(default=1e-4, description="Added to the standard deviation.")


class Skewness(Strict):
    """Projection of advantages to skewness."""

    beta: PositiveFloat = Field(default=1.0, description="Scale: alpha = Phi(beta * advantage).")


class Training(Strict):
    """Student training, the same for every method."""

    learning_rate: PositiveFloat = Field(
        description="Peak learning rate of methods that have no tuned one."
    )
    steps_per_round: PositiveInt = Field(description="Optimizer steps of a round.")
    prompts_per_step: PositiveInt = Field(description="Prompts of an optimizer step.")
    refresh_every: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Sample student outputs anew every so many steps; 0: once a round."
    )
    micro_batch_size: PositiveInt = Field(
        default=128, description="Sequences per forward pass; gradients accumulate over a step."
    )
    head_chunk: PositiveInt = Field(
        default=1024, description="Response tokens whose logits exist at the same time."
    )
    reduction: Literal["sequence", "token"] = Field(
        default="sequence", description="Mean over tokens then sequences, or over all tokens."
    )
    adam_betas: tuple[Fraction, Fraction] = Field(
        default=(0.9, 0.95), description="Decay rates of AdamW's moments."
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.0, description="AdamW's decay.")
    warmup_steps: Annotated[int, Field(ge=0)] = Field(
        default=10, description="Steps of linear warm-up at the start of the first round."
    )
    final_learning_rate: Fraction = Field(
        default=0.1, description="Where the cosine ends, as a fraction of the peak."
    )
    max_grad_norm: PositiveFloat = Field(default=1.0, description="Gradients are clipped to it.")
    checkpoint_every: PositiveInt = Field(
        default=20, description="Steps between the checkpoints that a killed training resumes from."
    )


class Evaluation(Strict):
    """Benchmark evaluation."""

    samples: PositiveInt = Field(default=4, description="Samples per item beside the greedy one.")
    temperature: PositiveFloat = Field(default=1.0, description="Temperature of these samples.")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(default=1.0, description="Nucleus mass.")


class Benchmark(Strict):
    """A set of test items."""

    task: str = Field(description="Name of the task.")
    level: str = Field(description="Level of the task's prompts.")
    split: Literal["validation", "test"] = Field(default="test", description="Split of the task.")
    label: str = Field(description="Column heading: the counterpart in the paper.")


class Table(Strict):
    """A table of the paper."""

    title: str = Field(description="Caption.")
    pairs: list[str] = Field(min_length=1, description="Pairs, in the order of the columns.")
    systems: list[str] = Field(
        min_length=1, description="Rows: `teacher`, `student` and names of methods."
    )
    benchmarks: list[str] = Field(min_length=1, description="Benchmarks, in column order.")
    compare: str = Field(description="The method that is tested against every other method.")
    paper: str = Field(description="CSV file with the paper's own numbers.")


class Sweep(Strict):
    """Choice of learning rates on validation prompts, with the same grid for every method."""

    methods: list[str] = Field(min_length=1, description="Methods that are tuned.")
    pairs: list[str] = Field(min_length=1, description="Pairs that they are tuned on.")
    learning_rates: list[PositiveFloat] = Field(min_length=1, description="The grid.")
    seeds: list[int] = Field(
        min_length=1, description="Seeds of the tries; apart from the reported ones."
    )
    benchmarks: list[str] = Field(
        min_length=1, description="Benchmarks of validation prompts that choose."
    )

    def variants(self, method: str) -> dict[float, str]:
        """The name of `method` at each learning rate of the grid."""
        return {rate: f"{method}@{rate:g}" for rate in self.learning_rates}


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
            if not isinstance(self.tasks[model.task], ArithmeticTask):
                raise ValueError(f"models.{name}.task: {model.task!r} is not an arithmetic task")
        for name, pair in self.pairs.items():
            known("model", pair.teacher, f"pairs.{name}.teacher", self.models)
            known("model", pair.student, f"pairs.{name}.student", self.models)
            known("task", pair.task, f"pairs.{name}.task", self.tasks)
        for name, benchmark in self.benchmarks.items():
            known("task", benchmark.task, f"benchmarks.{name}.task", self.tasks)
            task = self.tasks[benchmark.task]
            if isinstance(task, ArithmeticTask):
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


# --- reading -----------------------------------------------------------------------------------


def validate(kind: Any, value: Any, where: str) -> Any:
    """`value` as a `kind` (a model or a union of models).

    Raises:
        AskdError: names `where`, and each wrong key with what is wrong.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            place = _place(problem["loc"], value)
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{place}: {message}" if place else message)
        raise AskdError(f"{where}: " + "; ".join(lines)) from error


def _place(location: tuple[int | str, ...], value: Any) -> str:
    """The path to a wrong value, without the tags of unions that pydantic puts between."""
    parts = []
    for number, part in enumerate(location):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            if number < len(location) - 1:
                continue
        parts.append(str(part))
    return ".".join(parts)


def validated_json(kind: Any, text: str) -> Any:
    """A stage's settings of `kind` from JSON `text`, as the workflow passes them."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise AskdError(f"--settings: not JSON ({error}).") from error
    return validate(kind, value, "--settings")


def schema() -> str:
    """The JSON schema of `Config`, as kept in config/schema.json."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"
