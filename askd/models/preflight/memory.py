"""How much memory sampling and training take, in bytes, by what it is for.

B sequences, T tokens of prompt and response, V rows of the head, b bytes of a weight.
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedModel

BYTES = {"float32": 4, "bfloat16": 2}
# Arrays of [tokens, V] in float32 that exist at once: logits, their softmax, a sorted or a second
# model's copy, the mixture and two gradients.
HEAD_COPIES = 6


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder that memory depends on."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    query: int
    key_value: int
    head: int

    @classmethod
    def of(cls, model: PreTrainedModel) -> Shape:
        """The shape of `model`; a config without key-value heads or head width has the usual ones:
        one per query head, hidden width over heads, four times the hidden width."""
        config = model.config.get_text_config()
        heads = config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // heads
        key_values = getattr(config, "num_key_value_heads", None) or heads
        return cls(
            parameters=sum(weight.numel() for weight in model.parameters()),
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            intermediate=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
            query=heads * width,
            key_value=key_values * width,
            head=model.get_output_embeddings().weight.shape[0],
        )


def rollout_memory(shape: Shape, tokens: int, batch: int, dtype: str) -> dict[str, int]:
    """Sampling B sequences of T tokens: weights, the KV cache of 2 B T layers key_value b bytes,
    and the logits of one position."""
    size = BYTES[dtype]
    return {
        "weights": shape.parameters * size,
        "KV cache": 2 * batch * tokens * shape.layers * shape.key_value * size,
        "logits": HEAD_COPIES * batch * shape.head * 4,
    }


def training_memory(
    student: Shape, teacher: Shape, tokens: int, micro_batch: int, head_chunk: int, dtype: str
) -> dict[str, int]:
    """A training step on B sequences of T tokens at once, without gradient checkpointing.

    The student's weights, gradients and AdamW's two moments take 4 b bytes a parameter. What a
    decoder layer keeps of a token for the backward pass is about 6 hidden + 5 query + 4
    intermediate numbers: both norms keep their input, the normalised input and their output;
    attention keeps query, expanded key and value, and its output twice; the gated unit four of its
    width. The head exists for `head_chunk` response tokens only. The teacher is loaded where the
    objective sums over the vocabulary; its own pass keeps one layer at a time, which is left out.
    """
    size = BYTES[dtype]
    kept = 6 * student.hidden + 5 * student.query + 4 * student.intermediate
    chunk = min(head_chunk, micro_batch * tokens)
    return {
        "weights": student.parameters * size,
        "gradients": student.parameters * size,
        "AdamW": 2 * student.parameters * size,
        "activations": micro_batch * tokens * student.layers * kept * size,
        "head": HEAD_COPIES * chunk * student.head * 4,
        "teacher": teacher.parameters * size,
    }


def disk_space(student: Shape, dtype: str) -> int:
    """The student of a round, and three checkpoints of it with AdamW's moments: of the two that are
    kept, the older goes when a third has been written."""
    return (1 + 3 * 3) * student.parameters * BYTES[dtype]
