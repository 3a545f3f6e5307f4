"""Tasks, and the pairs that learn them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, WithJsonSchema, model_validator

from askd.config.base import Fraction, Name, Strict, nearest
from askd.config.datasets import DatasetSource

# The graders of askd; each is a module of askd.rewards.
GRADERS = ("arithmetic", "code", "judge", "math")
# A grader of one's own: a function in a file below the working directory.
ENTRY_POINT = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"


def _known_grader(grader: str) -> str:
    if grader not in GRADERS and not re.match(ENTRY_POINT, grader):
        raise ValueError(
            f"unknown grader {grader!r}; {nearest(grader, GRADERS)} A grader of your own is "
            "`module:function`"
        )
    return grader


Grader = Annotated[
    str,
    AfterValidator(_known_grader),
    WithJsonSchema({"anyOf": [{"enum": [*GRADERS]}, {"type": "string", "pattern": ENTRY_POINT}]}),
]


def grader_module(grader: str) -> str:
    """The module that holds a grader, for the digests of stages that use it."""
    module, colon, _ = grader.partition(":")
    return module if colon else f"askd.rewards.{grader}"


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
    def files(self) -> list[str]:
        """The user's own files that the prompts are read from."""
        return []

    @property
    def module(self) -> str:
        """The module of the task, for the digests of stages that use it."""
        return f"askd.tasks.{self.kind}"

    @property
    def measure(self) -> str:
        """What the rewards are called in tables."""
        if ":" in self.grader:
            return "mean reward"
        return "win rate" if self.grader == "judge" else "pass@1"

    @property
    def grader_module(self) -> str:
        """The module of the grader, for the digests of stages that use it."""
        return grader_module(self.grader)


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


class ChainSumTask(GeneratedTask):
    """Generated questions for sums and differences of small numbers, with worked steps."""

    kind: Literal["chain_sum"] = Field(description="Generated sums in words.")
    largest_operand: PositiveInt = Field(
        default=20, description="Numbers are drawn from 1 to this; running values are not negative."
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
    """Prompts from JSON Lines files with the keys `prompt`, `reference` and, optionally, `response`
    and `level`; a grader of one's own may do without `reference`."""

    kind: Literal["jsonl"] = Field(description="Prompts from your own files.")
    train: str = Field(description="Path of the training prompts.")
    validation: str = Field(description="Path of the validation prompts.")
    test: str = Field(description="Path of the test prompts.")
    grader: Grader = Field(
        description="Gives the rewards: `arithmetic` compares the last number, `math` the answer "
        "of GSM8K or MATH with that in `reference`, `code` runs the program of an answer against "
        "the tests that `reference` holds, `judge` compares with the baseline answer there; "
        "`module:function` is your own, a function of prompt, response and reference, in a file "
        "below the working directory."
    )

    @property
    def files(self) -> list[str]:
        """The user's own files that the prompts are read from."""
        return [self.train, self.validation, self.test]


class DatasetTask(_Task):
    """Prompts of public data sets; each source is a level."""

    kind: Literal["dataset"] = Field(description="Prompts of public data sets.")
    train: list[DatasetSource] = Field(min_length=1, description="Sources of training prompts.")
    validation: list[DatasetSource] = Field(min_length=1, description="Of validation prompts.")
    test: list[DatasetSource] = Field(min_length=1, description="Of test prompts.")
    grader: Grader = Field(description="Gives the rewards, as for `kind: jsonl`.")

    @property
    def files(self) -> list[str]:
        """The user's own files that the prompts are read from."""
        sources = [*self.train, *self.validation, *self.test]
        return sorted({source.path for source in sources if source.path is not None})


Task = Annotated[
    ArithmeticTask | ChainSumTask | ProgramsTask | InstructionsTask | JsonlTask | DatasetTask,
    Field(discriminator="kind"),
]


# Sections of the configuration that a pair may change.
PairSection = Literal["rollout", "advantage", "skewness", "training"]


class Pair(Strict):
    """A teacher and the student that it is distilled into."""

    teacher: str = Field(description="Name of a model.")
    student: str = Field(description="Name of a model.")
    task: str = Field(description="Name of the task whose prompts are trained on.")
    label: str = Field(description="Heading in tables: the pair's counterpart in the paper.")
    note: str = Field(default="", description="What kind of teacher this is, for captions.")
    settings: dict[PairSection, dict[str, Any]] = Field(
        default={},
        description="Parts of the sections that differ for this pair, by section. Evaluation uses "
        "the common `rollout`.",
    )
    tuned_as: str | None = Field(
        default=None,
        description="Pair whose tuned settings this one uses; null: its own, or the default.",
    )
