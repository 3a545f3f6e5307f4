"""Tasks, benchmarks of them, and the models that learn them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from askd.config.base import Fraction, Name, Strict


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


class GradedTask(Strict):
    """What all tasks have."""

    grader: str = Field(description="Gives the rewards.")

    @property
    def grader_module(self) -> str:
        """The module of the grader, for the digests of stages that use it."""
        return f"askd.rewards.{self.grader}"


class ArithmeticTask(GradedTask):
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


class JsonlTask(GradedTask):
    """Prompts from JSON Lines files with the keys `prompt`, `reference` and, optionally,
    `response` and `level`."""

    kind: Literal["jsonl"] = Field(description="Prompts from your own files.")
    train: str = Field(description="Path of the training prompts.")
    validation: str = Field(description="Path of the validation prompts.")
    test: str = Field(description="Path of the test prompts.")
    grader: Literal["arithmetic", "code"] = Field(
        description="Gives the rewards: `arithmetic` compares the last number, `code` runs the "
        "program of an answer against the tests that `reference` holds."
    )


Task = Annotated[ArithmeticTask | JsonlTask, Field(discriminator="kind")]


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
