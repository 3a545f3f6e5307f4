"""Sampling as a function of (seed, stream, prompt, sample): not of batch size, nor of order.

Every response owns a stream of uniform numbers, one per token, and a token is drawn by inverting
the cumulative distribution at its number. `transformers` generates greedily from scores in which
only the drawn token is left, so all its models and caches are served by the same code.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor, TopPLogitsWarper


def uniforms(seed: int, stream: str, prompt_id: str, sample_id: int, count: int) -> np.ndarray:
    """`count` uniform numbers in [0, 1) that belong to one response of one stream, float64.

    `stream` names the use (the round of a student, a benchmark), so that two uses share no numbers.
    """
    key = f"{seed}\n{stream}\n{prompt_id}\n{sample_id}".encode()
    entropy = int.from_bytes(hashlib.blake2b(key, digest_size=16).digest(), "big")
    return np.random.default_rng(entropy).random(count)


class InverseTransformSampler(LogitsProcessor):
    """Draws the next token of each row and remembers its log-probability.

    Args:
        uniforms: one number in [0, 1) for each row and step, [B, T].
        temperature: divides the scores; 0 takes the most probable token.
        top_p: smallest probability mass that is sampled from.
        vocabulary: tokens from this number on are padding of the head, and never drawn.
    """

    def __init__(self, uniforms: Tensor, temperature: float, top_p: float, vocabulary: int) -> None:
        self.uniforms = uniforms
        self.vocabulary = vocabulary
        self.temperature = temperature
        self.nucleus = TopPLogitsWarper(top_p) if top_p < 1 else None
        self.logprobs: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [B, V] in which only the drawn token of each row is finite."""
        step = len(self.logprobs)
        scores = scores.clone()
        scores[:, self.vocabulary :] = -torch.inf
        if self.temperature == 0:
            token = scores.argmax(dim=-1, keepdim=True)
            self.logprobs.append(torch.zeros(len(scores), device=scores.device))
        else:
            scores = scores.float() / self.temperature
            if self.nucleus is not None:
                scores = self.nucleus(input_ids, scores)
            logprobs = scores.log_softmax(dim=-1)
            # float64: the sum of a large vocabulary in float32 would shift the inversion.
            cumulative = logprobs.double().exp().cumsum(dim=-1)
            threshold = self.uniforms[:, step, None] * cumulative[:, -1:]
            token = (cumulative <= threshold).sum(dim=-1, keepdim=True)
            self.logprobs.append(logprobs.gather(1, token)[:, 0])
        return torch.full_like(scores, -torch.inf).scatter_(1, token, 0.0)
