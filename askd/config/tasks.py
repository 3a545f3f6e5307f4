"""Tasks, benchmarks of them, and the models that learn them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from askd.config.base import Fraction, Name, Strict


class Level(Strict):
    """One difficulty of a generated task."""

    operations: list[PositiveInt] = Field(
        min_length=1, description="Numbers of operations of a prompt, drawn evenly."
    )
    train: PositiveInt = Field(description="Distinct training prompts.")
    validation: PositiveInt = Field(description="Distinct validation prompts.")
    test: PositiveInt = Field(description="Distinct test prompts.")


class ErrorProcess(Strict):
    """How worked steps go wrong; an error is carried on to the later steps."""

    noise: Fraction = Field(
        default=0.0,
        description="Probability that a step goes wrong by chance: a result off by one, or one "
        "operation for another.",
    )
    systematic: Fraction = Field(
        default=0.0,
        description="Probability of the task's systematic error: subtracting 4 or more subtracts "
        "one too little; words of 5 or more letters lack the last one.",
    )


class _Task(Strict):
    kind: str
    grader: str

    @property
    def module(self) -> str:
        """The module of the task, for the digests of stages that use it."""
        return f"askd.tasks.{self.kind}"

    @property
    def measure(self) -> str:
        """What the rewards are called in tables."""
        return "win rate" if self.grader == "judge" else "pass@1"

    @property
    def grader_module(self) -> str:
        """The module of the grader, for the digests of stages that use it."""
        return f"askd.rewards.{self.grader}"


class GeneratedTask(_Task):
    """What all tasks have whose prompts are drawn at random."""

    levels: dict[Name, Level] = Field(min_length=1, description="Difficulties by name.")
    errors: ErrorProcess = Field(
        default=ErrorProcess(),
        description="Errors in the fixed data set's worked answers (`response`).",
    )
    seed: int = Field(default=0, description="Seed of the generator.")

    @model_validator(mode="after")
    def _levels_share_no_prompt(self) -> GeneratedTask:
        owners: dict[int, str] = {}
        for name, level in self.levels.items():
            for number in level.operations:
                if owners.setdefault(number, name) != name:
                    raise ValueError(
                        f"levels {owners[number]!r} and {name!r} both have prompts of {number} "
                        "operations: training prompts of one could be test prompts of the other"
                    )
        return self


class ArithmeticTask(GeneratedTask):
    """Generated chains of additions and subtractions with worked steps."""

    kind: Literal["arithmetic"] = Field(description="Generated arithmetic.")
    largest_operand: Annotated[int, Field(ge=1, le=9)] = Field(
        default=5, description="Operands are drawn from 1 to this; running values stay in 0 to 9."
    )
    grader: Literal["arithmetic"] = Field(default="arithmetic", description="Gives the rewards.")


class ProgramsTask(GeneratedTask):
    """Generated descriptions of short Python functions."""

    kind: Literal["programs"] = Field(description="Generated programming tasks.")
    grader: Literal["code"] = Field(default="code", description="Gives the rewards.")


class InstructionsTask(GeneratedTask):
    """Generated instructions that rules can check, judged against a baseline answer."""

    kind: Literal["instructions"] = Field(description="Generated instructions.")
    grader: Literal["judge"] = Field(default="judge", description="Gives the rewards.")


class JsonlTask(_Task):
    """Prompts from JSON Lines files with the keys `prompt`, `reference` and, optionally,
    `response` and `level`."""

    kind: Literal["jsonl"] = Field(description="Prompts from your own files.")
    train: str = Field(description="Path of the training prompts.")
    validation: str = Field(description="Path of the validation prompts.")
    test: str = Field(description="Path of the test prompts.")
    grader: Literal["arithmetic", "math", "code", "judge"] = Field(
        description="Gives the rewards: `arithmetic` compares the last number, `math` the answer "
        "of GSM8K or MATH with that in `reference`, `code` runs the program of an answer against "
        "the tests that `reference` holds, `judge` compares with the baseline answer there."
    )


Task = Annotated[
    ArithmeticTask | ProgramsTask | InstructionsTask | JsonlTask, Field(discriminator="kind")
]


class PretrainedFromScratch(Strict):
    """A tiny Qwen2-architecture model that the workflow trains from scratch on a task."""

    task: str = Field(description="Name of the generated task it learns.")
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
    lowest_accuracy: Fraction = Field(
        default=0.0,
        description="Refuse the model if it answers fewer validation prompts right at temperature "
        "1: small models do not learn from every seed, and a table of one that did not says "
        "nothing.",
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
    tuned_as: str | None = Field(
        default=None,
        description="Pair whose tuned settings this one uses; null: its own, or the default.",
    )
