"""The generalised Jensen-Shannon divergence, summed over the whole vocabulary at each prefix."""

from __future__ import annotations

from torch import Tensor

from askd.objectives.skew import skew_kl, skew_reverse_kl


def generalized_jsd(student_logprobs: Tensor, teacher_logprobs: Tensor, beta: float) -> Tensor:
    """Generalised Jensen-Shannon divergence of GKD (Agarwal et al. 2024).

    beta KL(p || m) + (1 - beta) KL(q || m) with m = beta p + (1 - beta) q, p the teacher.

    The formula vanishes at both ends. beta = 0 and beta = 1 are therefore the forward and the
    reverse KL by definition, as in TRL's GKDTrainer. This is a jump: near the ends the value is
    about beta KL(p || q), or (1 - beta) KL(q || p), so beta = 0.1 gives a loss and a gradient
    about ten times smaller than beta = 0.

    Args:
        student_logprobs: log q, normalised over the last dimension, [N, V].
        teacher_logprobs: log p, [N, V]; may contain -inf.
        beta: weight of the teacher in the mixture and of the forward term, in [0, 1].

    Returns:
        Loss in nats, [N]. inf at beta = 0 and 1 under the conditions of `skew_kl` at alpha = 1
        and `skew_reverse_kl` at alpha = 0.

    Raises:
        ValueError: if the shapes differ or beta is outside [0, 1].
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"beta must lie in [0, 1], got {beta}")
    if beta == 0:
        return skew_kl(student_logprobs, teacher_logprobs, alpha=1.0)
    if beta == 1:
        return skew_reverse_kl(student_logprobs, teacher_logprobs, alpha=0.0)
    forward = skew_kl(student_logprobs, teacher_logprobs, alpha=1 - beta)
    reverse = skew_reverse_kl(student_logprobs, teacher_logprobs, alpha=1 - beta)
    return beta * forward + (1 - beta) * reverse
