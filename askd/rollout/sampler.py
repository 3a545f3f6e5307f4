"""Sampling as a function of (seed, stream, prompt, sample): not of batch size, nor of order.

Every response owns a stream of uniform numbers, one per token, and a token is drawn by inverting
the cumulative distribution at its number. `transformers` generates greedily from scores in which
only the drawn token is left, so all its models and caches are served by the same code.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor, TopPLogitsWarper


def uniforms(seed: int, stream: str, prompt_id: str, sample_id: int, count: int) -> np.ndarray:
    """`count` uniform numbers in [0, 1) that belong to one response of one stream, float64.

    `stream` names the use (the round of a student, a benchmark), so that two uses share no numbers.
    """
    return np.random.default_rng(entropy(seed, stream, prompt_id, sample_id)).random(count)


def entropy(seed: int, stream: str, prompt_id: str, sample_id: int) -> int:
    """The seed of one response of one stream, 128 bits."""
    key = f"{seed}\n{stream}\n{prompt_id}\n{sample_id}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=16).digest(), "big")


def invert(logprobs: Tensor, numbers: Tensor) -> Tensor:
    """The token of each row at which its cumulative distribution passes its number, [B, 1].

    `logprobs` is [B, V] and `numbers`, in [0, 1), is [B].
    """
    # float64: the sum of a large vocabulary in float32 would shift the inversion.
    cumulative = logprobs.double().exp().cumsum(dim=-1)
    threshold = numbers[:, None] * cumulative[:, -1:]
    return (cumulative <= threshold).sum(dim=-1, keepdim=True)


@dataclass(frozen=True)
class Warp:
    """What is sampled from, given a model's scores.

    Args:
        temperature: divides the scores; 0 takes the most probable token.
        top_p: smallest probability mass that is sampled from.
        vocabulary: tokens from this number on are padding of the head, and never drawn.
    """

    temperature: float
    top_p: float
    vocabulary: int

    def __call__(self, scores: Tensor) -> Tensor:
        """Log-probabilities (nats, float32) of the tokens, from scores [B, V] or more."""
        scores = scores.clone()
        scores[:, self.vocabulary :] = -torch.inf
        if self.temperature == 0:
            best = scores.argmax(dim=-1, keepdim=True)
            logprobs = torch.full_like(scores, -torch.inf, dtype=torch.float32)
            return logprobs.scatter_(1, best, 0.0)[:, : self.vocabulary]
        scores = scores.float() / self.temperature
        if self.top_p < 1:
            scores = TopPLogitsWarper(self.top_p)(None, scores)
        return scores.log_softmax(dim=-1)[:, : self.vocabulary]


class Policy(Protocol):
    """Draws tokens together with the student."""

    def __call__(
        self, step: int, input_ids: Tensor, student: Tensor, numbers: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A token of each row, [B, 1], and its log-probability as it was drawn, [B].

        `student` are the student's log-probabilities, [B, V], `numbers` its uniform numbers, [B].
        """


class InverseTransformSampler(LogitsProcessor):
    """Draws the next token of each row and remembers its log-probability.

    `logprobs` has, step by step, the log-probability in the distribution that the token was drawn
    from, and `student_logprobs` that in the model's own; they differ under a policy only.

    Args:
        uniforms: one number in [0, 1) for each row and step, [B, T].
        temperature, top_p, vocabulary: see `Warp`.
        policy: draws together with the model; None leaves the model alone.
    """

    def __init__(
        self,
        uniforms: Tensor,
        temperature: float,
        top_p: float,
        vocabulary: int,
        policy: Policy | None = None,
    ) -> None:
        self.uniforms = uniforms
        self.warp = Warp(temperature, top_p, vocabulary)
        self.policy = policy
        self.logprobs: list[Tensor] = []
        self.student_logprobs: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [B, V] in which only the drawn token of each row is finite."""
        step = len(self.logprobs)
        numbers = self.uniforms[:, step]
        student = self.warp(scores)
        if self.policy is None:
            token = invert(student, numbers)
            logprob = student.gather(1, token)[:, 0]
        else:
            token, logprob = self.policy(step, input_ids, student, numbers)
        self.logprobs.append(logprob)
        self.student_logprobs.append(student.gather(1, token)[:, 0])
        return torch.full_like(scores, -torch.inf).scatter_(1, token, 0.0)
