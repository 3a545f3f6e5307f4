"""Adaptive KL: forward and reverse KL, mixed at each prefix by where the models differ."""

from __future__ import annotations

import torch
from torch import Tensor

from askd.objectives.kullback_leibler import forward_kl, reverse_kl


def adaptive_kl(student_logprobs: Tensor, teacher_logprobs: Tensor, head_mass: float) -> Tensor:
    """Adaptive KL of Wu et al. 2024: h KL(p || q) + (1 - h) KL(q || p), p the teacher.

    h is the share of the head of p in sum_v |p - q|. Both KLs run over the whole vocabulary; h is
    a constant. The head is, as in AKL's released code, the tokens in order of falling p while
    their cumulative mass is at most `head_mass`, and the first of them in any case: the token
    that crosses `head_mass` belongs to the tail.

    Args:
        student_logprobs: log q, normalised over the last dimension, [N, V].
        teacher_logprobs: log p, [N, V]; may contain -inf.
        head_mass: mu, largest mass of the head, in [0, 1].

    Returns:
        Loss in nats, [N]; inf where one of the KLs is.

    Raises:
        ValueError: if the shapes differ or head_mass is outside [0, 1].
    """
    if not 0 <= head_mass <= 1:
        raise ValueError(f"head_mass must lie in [0, 1], got {head_mass}")
    forward = forward_kl(student_logprobs, teacher_logprobs)
    reverse = reverse_kl(student_logprobs, teacher_logprobs)
    weight = head_share(student_logprobs, teacher_logprobs, head_mass)
    return weight * forward + (1 - weight) * reverse


@torch.no_grad()
def head_share(student_logprobs: Tensor, teacher_logprobs: Tensor, head_mass: float) -> Tensor:
    """Share h of the head of p in sum_v |p - q|, without gradient, [N]; arguments as above."""
    # Stable, so that equal probabilities are cut in the same order everywhere.
    teacher, order = teacher_logprobs.exp().sort(dim=-1, descending=True, stable=True)
    gap = (teacher - student_logprobs.exp().gather(-1, order)).abs()
    is_head = teacher.cumsum(dim=-1) <= head_mass
    is_head[..., :1] = True
    total = gap.sum(dim=-1)
    # Where the models agree both KLs vanish and any weight will do; the released code has 0/0.
    return torch.where(total > 0, (gap * is_head).sum(dim=-1) / total, 0.5)
