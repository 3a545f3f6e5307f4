"""How much memory sampling and training take, in bytes, by what it is for. Light: no torch.

B sequences, T tokens of prompt and response, V rows of the head, b bytes of a weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
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
    """Sampling B sequences of T tokens with transformers: weights, the KV cache of 2 B T layers
    key_value b bytes, and the logits of one position."""
    size = BYTES[dtype]
    return {
        "weights": shape.parameters * size,
        "KV cache": 2 * batch * tokens * shape.layers * shape.key_value * size,
        "logits": HEAD_COPIES * batch * shape.head * 4,
    }


def vllm_memory(
    shape: Shape, tokens: int, batch: int, dtype: str, tensor_parallel: int, cache: int | None
) -> dict[str, int]:
    """The least that vLLM takes of each of the GPUs that share a model.

    It pages its cache, and has sequences wait that it has no room for; one of T tokens has to fit.
    `cache` bytes are taken on each GPU whatever is needed, where they are set.
    """
    parts = rollout_memory(shape, tokens, 1, dtype)
    logits = rollout_memory(shape, 0, batch, dtype)["logits"]
    return {
        "weights": parts["weights"] // tensor_parallel,
        "KV cache": max(parts["KV cache"] // tensor_parallel, cache or 0),
        "logits": logits,
    }


def training_memory(
    student: Shape,
    teacher: Shape | None,
    tokens: int,
    micro_batch: int,
    head_chunk: int,
    dtype: str,
    adapters: int | None = None,
    checkpointing: bool = False,
) -> dict[str, int]:
    """A training step on B sequences of T tokens at once.

    Weights that are trained are float32, and so are their gradients and AdamW's two moments; where
    b < 4, a copy of b bytes is computed with. With LoRA the `adapters` are trained, and the frozen
    weights take b bytes. What a decoder layer keeps of a token for the backward pass is about 6
    hidden + 5 query + 4 intermediate numbers: both norms keep their input, the normalised input and
    their output; attention keeps query, expanded key and value, and its output twice; the gated
    unit four of its width. With gradient checkpointing each layer keeps its input, and one at a
    time the rest. The head exists for `head_chunk` response tokens only. The teacher is loaded
    where the objective sums over the vocabulary; its own pass keeps one layer at a time, which is
    left out.
    """
    size = BYTES[dtype]
    trained = student.parameters if adapters is None else adapters
    frozen = student.parameters * size if adapters is not None or size < 4 else 0
    layer = 6 * student.hidden + 5 * student.query + 4 * student.intermediate
    kept = student.layers * (student.hidden if checkpointing else layer)
    kept += layer if checkpointing else 0
    chunk = min(head_chunk, micro_batch * tokens)
    return {
        "weights": 4 * trained + frozen,
        "gradients": 4 * trained,
        "AdamW": 8 * trained,
        "activations": micro_batch * tokens * kept * size,
        "head": HEAD_COPIES * chunk * student.head * 4,
        "teacher": 0 if teacher is None else teacher.parameters * size,
    }


def disk_space(student: Shape, adapters: int | None = None) -> int:
    """The student of a round in float32, and three checkpoints of what is trained, with AdamW's
    moments: of the two that are kept, the older goes when a third has been written."""
    trained = student.parameters if adapters is None else adapters
    return 4 * student.parameters + 3 * 12 * trained
