"""What the estimate of a run's cost assumes."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from askd.config.base import Fraction, Name, Strict


class Architecture(Strict):
    """The sizes of a decoder, by the names that config.json gives them."""

    hidden_size: PositiveInt = Field(description="Width.")
    intermediate_size: PositiveInt = Field(description="Width of the gated unit.")
    num_hidden_layers: PositiveInt = Field(description="Layers.")
    num_attention_heads: PositiveInt = Field(description="Query heads.")
    num_key_value_heads: PositiveInt | None = Field(
        default=None, description="Heads of keys and values; null: as many as query heads."
    )
    head_dim: PositiveInt | None = Field(
        default=None, description="Width of a head; null: the width over the query heads."
    )
    vocab_size: PositiveInt = Field(description="Rows of the embedding and of the head.")
    tie_word_embeddings: bool = Field(
        default=False, description="Whether the head is the embedding."
    )


class Lengths(Strict):
    """Mean lengths of a task's texts."""

    prompt: PositiveInt = Field(description="Tokens of a prompt, chat template included.")
    response: PositiveInt = Field(description="Tokens of a response.")


class Device(Strict):
    """A GPU, or a core of a CPU: its peak, and which part of it each kind of work is assumed to
    reach."""

    peak_tflops: PositiveFloat = Field(
        description="Peak of dense matrix products, in 10^12 operations a second."
    )
    memory_gib: PositiveFloat = Field(description="Memory, in GiB.")
    training: Fraction = Field(default=0.35, gt=0, description="Part reached in training.")
    scoring: Fraction = Field(
        default=0.4, gt=0, description="Part reached in a forward pass over whole texts."
    )
    sampling: Fraction = Field(
        default=0.12, gt=0, description="Part reached in sampling with the engine vllm."
    )
    sampling_transformers: Fraction = Field(
        default=0.03, gt=0, description="Part reached in sampling with the engine transformers."
    )
    start_seconds: NonNegativeFloat = Field(
        default=60, description="Start of a job with a model, until it works."
    )
    process_gib: NonNegativeFloat = Field(
        default=0.5,
        description="Memory of a process beside models and texts, in GiB: libraries, and the "
        "context of a GPU.",
    )


# Peaks of GPUs are the makers' for dense products of bfloat16, and what is reached is assumed. The
# core's peak in float32 was measured; what it reaches was fitted to 39 jobs of a nano run, so that
# the comparison of such a run with its plan tests the formulas and not these parts.
DEVICES = {
    "a100-80gb": Device(peak_tflops=312, memory_gib=80),
    "h100-80gb": Device(peak_tflops=989, memory_gib=80),
    "l40s-48gb": Device(peak_tflops=362, memory_gib=48),
    "rtx4090-24gb": Device(peak_tflops=165, memory_gib=24),
    "cpu-core": Device(
        peak_tflops=0.047,
        memory_gib=4,
        training=0.4,
        scoring=0.3,
        sampling=0.2,
        sampling_transformers=0.2,
        start_seconds=5.5,
    ),
}


class Plan(Strict):
    """What `snakemake plan` assumes; no other stage reads it."""

    device: str = Field(
        default="a100-80gb", description="Name of the device that is reckoned with."
    )
    devices: dict[Name, Device] = Field(default=DEVICES, description="Devices by name.")
    light_seconds: NonNegativeFloat = Field(
        default=0.7, description="Time of a job without a model."
    )
    models: dict[Name, Architecture] = Field(
        default={}, description="Sizes of the models that are not trained from scratch, by name."
    )
    lengths: dict[Name, Lengths] = Field(
        default={},
        description="Mean lengths by task. Without them those of generated tasks are counted in "
        "characters, the tokens of models that are trained from scratch; others: prompts of 256 "
        "tokens, and the longest response, which is an upper bound.",
    )
    judge_seconds: NonNegativeFloat = Field(
        default=2.0, description="Seconds until an endpoint's judge has replied."
    )
    judge_reply: PositiveInt = Field(default=200, description="Tokens of a judge's reply.")
