"""Skew divergences that sum over the whole vocabulary at each prefix.

Given a prefix they are exact, so their gradient has no sampling noise; what they do not see is
that a token also changes the prefixes that follow it (docs/paper-notes.md, Eq. 2).

All are in nats. Everything is computed in log space: probabilities that underflow, an alpha of
exactly 0 or 1, and tokens that a model excludes (log-probability -inf) give finite losses and
gradients. The one exception is a divergence that is infinite by definition: when the first
argument of a KL has mass where the second has none at all. It is returned as inf, never as NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor


def skew_kl(student_logprobs: Tensor, teacher_logprobs: Tensor, alpha: float | Tensor) -> Tensor:
    """Skew KL divergence KL(p || m), m = (1 - alpha) p + alpha q; paper Eq. 3.

    alpha = 1 is the forward KL(p || q); alpha = 0 is zero, with zero gradient.

    Args:
        student_logprobs: log q, normalised over the last dimension, [N, V].
        teacher_logprobs: log p, [N, V]; may contain -inf.
        alpha: weight of the student in the mixture, in [0, 1]; one number, or one per token [N].
            It is a constant: no gradient reaches it.

    Returns:
        Loss in nats, [N], with gradient to both models' log-probabilities. inf where alpha = 1
        and q excludes a token that p can produce.

    Raises:
        ValueError: if the shapes do not fit, or a number alpha is outside [0, 1]. (A tensor alpha
            is not searched, which would stall a GPU: entries outside give NaN.)
    """
    student_weight = _student_weight(alpha, student_logprobs, teacher_logprobs)
    return _kl_to_mixture(
        teacher_logprobs, student_logprobs, own_weight=1 - student_weight, detach_mixture=False
    )


def skew_reverse_kl(
    student_logprobs: Tensor,
    teacher_logprobs: Tensor,
    alpha: float | Tensor,
    detach_mixture: bool = False,
) -> Tensor:
    """Skew reverse KL divergence KL(q || m), m = (1 - alpha) p + alpha q; paper Eq. 4.

    alpha = 0 is the reverse KL(q || p); alpha = 1 is zero, with zero gradient.

    Args:
        student_logprobs: log q, normalised over the last dimension, [N, V].
        teacher_logprobs: log p, [N, V]; may contain -inf.
        alpha: weight of the student in the mixture, in [0, 1]; one number, or one per token [N].
            It is a constant: no gradient reaches it.
        detach_mixture: hold m constant, as DistiLLM-2's released code does. Same value, another
            gradient: E_q[log(q/m) grad log q], without the term (1 - alpha q/m) of Eq. 9.

    Returns:
        Loss in nats, [N], with gradient to both models' log-probabilities. inf where alpha = 0
        and p excludes a token that q can produce.

    Raises:
        ValueError: as `skew_kl`.
    """
    student_weight = _student_weight(alpha, student_logprobs, teacher_logprobs)
    return _kl_to_mixture(
        student_logprobs, teacher_logprobs, own_weight=student_weight, detach_mixture=detach_mixture
    )


def _student_weight(
    alpha: float | Tensor, student_logprobs: Tensor, teacher_logprobs: Tensor
) -> Tensor:
    """Check the arguments and return alpha as a constant that broadcasts over [N, V]."""
    if student_logprobs.dim() != 2 or student_logprobs.shape != teacher_logprobs.shape:
        raise ValueError(
            "student and teacher log-probabilities must have one shape [N, V], got "
            f"{tuple(student_logprobs.shape)} and {tuple(teacher_logprobs.shape)}"
        )
    if not isinstance(alpha, Tensor) and not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
    weight = torch.as_tensor(alpha, dtype=student_logprobs.dtype, device=student_logprobs.device)
    if weight.dim() and weight.shape != student_logprobs.shape[:1]:
        raise ValueError(
            f"alpha must be one number or one per token [{len(student_logprobs)}], "
            f"got {tuple(weight.shape)}"
        )
    return weight.detach().unsqueeze(-1)


def _kl_to_mixture(
    logprobs: Tensor, other_logprobs: Tensor, own_weight: Tensor, detach_mixture: bool
) -> Tensor:
    """KL(x || own_weight x + (1 - own_weight) y) over the last dimension, from log x and log y."""
    probabilities = logprobs.exp()
    # 0 log 0 = 0. The entries leave before the logarithms, not after: a masked NaN or inf in the
    # forward pass would still come back as NaN in the gradient.
    absent = probabilities == 0
    logprobs = logprobs.masked_fill(absent, 0.0)
    other_logprobs = other_logprobs.masked_fill(absent, 0.0)
    log_mixture = torch.logaddexp(
        own_weight.log() + logprobs, (1 - own_weight).log() + other_logprobs
    )
    if detach_mixture:
        log_mixture = log_mixture.detach()
    return (probabilities * (logprobs - log_mixture)).sum(dim=-1)
