"""From losses per token to the loss of an optimizer step, whatever the micro-batches.

A mean over a micro-batch, averaged over micro-batches, depends on how the batch was split as soon
as sequences differ in length. Here every token carries its weight in the whole step, so that
micro-batches are simply added up: on one device or on many, in any split.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def token_weights(
    lengths: Tensor,
    reduction: Literal["sequence", "token"],
    sequences_in_step: int,
    tokens_in_step: int,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Weights whose (weights * loss).sum(), added over all micro-batches, is the loss of the step.

    * ``sequence``: mean over the step's sequences of the mean over their tokens; a token of a long
      output counts less (DistiLLM-2, GRPO).
    * ``token``: mean over all response tokens of the step; a long output counts more (MiniLLM,
      AKL, TRL's GKD).

    A sequence whose loss is switched off (kappa = 0) still belongs to the step and to its totals.

    Args:
        lengths: number of response tokens of each sequence of this micro-batch, integers [B].
        reduction: see above.
        sequences_in_step: number of sequences of the whole optimizer step, over all its
            micro-batches and devices.
        tokens_in_step: number of response tokens of the whole optimizer step, likewise.
        dtype: of the result. The default makes the weighted sum of float32 losses accumulate in
            float64.

    Returns:
        Weights, [N] with N = lengths.sum(), in the order of the sequences.

    Raises:
        ValueError: if a sequence is empty, the step is smaller than this micro-batch, or
            `reduction` is unknown.
    """
    if (lengths <= 0).any():
        index = int((lengths <= 0).nonzero()[0])
        raise ValueError(
            f"sequence {index} has {int(lengths[index])} response tokens, needs at least 1"
        )
    sequences, tokens = len(lengths), int(lengths.sum())
    if sequences_in_step < sequences or tokens_in_step < tokens:
        raise ValueError(
            f"the step's totals ({sequences_in_step} sequences, {tokens_in_step} tokens) are less "
            f"than this micro-batch ({sequences} sequences, {tokens} tokens)"
        )
    if reduction == "sequence":
        weights = 1 / (sequences_in_step * lengths.to(dtype))
    elif reduction == "token":
        weights = torch.full(lengths.shape, 1 / tokens_in_step, dtype=dtype, device=lengths.device)
    else:
        raise ValueError(f"reduction must be one of sequence, token, got {reduction!r}")
    return weights.repeat_interleave(lengths)
