"""Negative log-likelihood of tokens."""

from __future__ import annotations

from torch import Tensor


def nll(student_logprob: Tensor) -> Tensor:
    """Negative log-likelihood -log q(y_t) of the tokens, in nats; [N] -> [N]."""
    return -student_logprob
