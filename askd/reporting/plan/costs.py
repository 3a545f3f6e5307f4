r"""Operations and bytes of models, from their sizes.

Symbols: V rows of the head, h width, i width of the gated unit, L layers, a width of all query
heads, k width of all key heads, T tokens of a text. A multiplication with an addition counts as two
operations.
"""

from __future__ import annotations

from dataclasses import dataclass

from askd.config import Architecture, Lora, Vllm
from askd.models.preflight import memory
from askd.models.preflight.memory import Shape


@dataclass(frozen=True)
class Size:
    """The sizes of a model, ready to reckon with."""

    architecture: Architecture

    @property
    def query(self) -> int:
        """a: width of all query heads."""
        model = self.architecture
        width = model.head_dim or model.hidden_size // model.num_attention_heads
        return model.num_attention_heads * width

    @property
    def key_value(self) -> int:
        """k: width of all key heads, and of all value heads."""
        model = self.architecture
        heads = model.num_key_value_heads or model.num_attention_heads
        return self.query // model.num_attention_heads * heads

    @property
    def layer(self) -> int:
        """Weights of a layer: h (2 a + 2 k + 3 i); norms and biases are left out."""
        model = self.architecture
        return model.hidden_size * (
            2 * self.query + 2 * self.key_value + 3 * model.intermediate_size
        )

    @property
    def active(self) -> int:
        """N: weights that each token is multiplied with, L layers and the head: L layer + V h."""
        model = self.architecture
        return model.num_hidden_layers * self.layer + model.vocab_size * model.hidden_size

    @property
    def parameters(self) -> int:
        """All weights: N, and the embedding's V h where it is not the head."""
        model = self.architecture
        untied = 0 if model.tie_word_embeddings else model.vocab_size * model.hidden_size
        return self.active + untied

    @property
    def shape(self) -> Shape:
        """What memory depends on."""
        model = self.architecture
        return Shape(
            parameters=self.parameters,
            layers=model.num_hidden_layers,
            hidden=model.hidden_size,
            intermediate=model.intermediate_size,
            query=self.query,
            key_value=self.key_value,
            head=model.vocab_size,
        )

    def adapters(self, lora: Lora) -> int:
        """Weights of adapters: rank times the inputs and outputs of each adapted matrix of a layer.

        Names are those of the Llama family; all of them where `target_modules` is `all-linear`.
        """
        model = self.architecture
        h, i, a, k = model.hidden_size, model.intermediate_size, self.query, self.key_value
        sides = {
            "q_proj": h + a,
            "k_proj": h + k,
            "v_proj": h + k,
            "o_proj": a + h,
            "gate_proj": h + i,
            "up_proj": h + i,
            "down_proj": i + h,
        }
        chosen = sides if lora.target_modules == "all-linear" else lora.target_modules
        return lora.rank * model.num_hidden_layers * sum(sides.get(name, 0) for name in chosen)


def forward(size: Size, texts: float, tokens: float) -> float:
    """Operations of a forward pass over `texts` texts of T tokens: 2 N T + 2 L a T^2 each.

    The second is attention: queries times keys, and weights times values, over half a square each.
    """
    attention = 2 * size.architecture.num_hidden_layers * size.query * tokens**2
    return texts * (2 * size.active * tokens + attention)


def sampling(size: Size, responses: float, prompt: float, response: float) -> float:
    """Operations of sampling: a forward pass over prompt and response, thanks to the KV cache."""
    return forward(size, responses, prompt + response)


def training(
    size: Size, texts: float, tokens: float, lora: bool = False, checkpointing: bool = False
) -> float:
    """Operations of training on `texts` texts: 6 N T each, and attention, three forward passes.

    The backward pass is as one for the inputs and one for the weights; adapters need no gradient
    of the frozen weights (4 N T). Gradient checkpointing adds a forward pass.
    """
    passes = 3 - lora + checkpointing
    return passes * forward(size, texts, tokens)


def sampling_memory(size: Size, batch: int, tokens: int, dtype: str) -> int:
    """Bytes of sampling a batch of at most T tokens each, as the check of pairs reckons."""
    return sum(memory.rollout_memory(size.shape, tokens, batch, dtype).values())


def vllm_memory(size: Size, batch: int, tokens: int, vllm: Vllm, cache: int | None) -> int:
    """Bytes that vLLM takes of each GPU, for a batch of at most T tokens each, as the check of
    pairs reckons; `cache` bytes are taken whatever is needed, where they are set."""
    parts = memory.vllm_memory(
        size.shape, tokens, batch, vllm.dtype, vllm.tensor_parallel_size, cache
    )
    return sum(parts.values())


def training_memory(
    student: Size,
    teacher: Size | None,
    texts: int,
    tokens: int,
    head_chunk: int,
    dtype: str,
    lora: Lora | None = None,
    checkpointing: bool = False,
) -> int:
    """Bytes of a training step on a micro-batch of at most T tokens each, as the check of pairs
    reckons."""
    parts = memory.training_memory(
        student.shape,
        teacher and teacher.shape,
        tokens,
        texts,
        head_chunk,
        dtype,
        lora and student.adapters(lora),
        checkpointing,
    )
    return sum(parts.values())
