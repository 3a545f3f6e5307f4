"""Forward and reverse KL, summed over the whole vocabulary at each prefix: ends of the skew family.

In nats; -inf and infinite divergences are treated as in `skew`.
"""

from __future__ import annotations

from torch import Tensor

from askd.objectives.skew import skew_kl, skew_reverse_kl


def forward_kl(student_logprobs: Tensor, teacher_logprobs: Tensor) -> Tensor:
    """Forward KL(p || q) = sum_v p log(p/q), p the teacher: word-level distillation (Hinton 2015).

    LMOps and DistiLLM minimise the soft cross-entropy -sum_v p log q in its place. That is this
    divergence plus the entropy of the teacher, which is a constant: another value, the same
    gradient. The KL is zero where the models agree.

    Args:
        student_logprobs: log q, normalised over the last dimension, [N, V].
        teacher_logprobs: log p, [N, V]; may contain -inf.

    Returns:
        Loss in nats, [N]. inf where q excludes a token that p can produce.

    Raises:
        ValueError: if the shapes differ.
    """
    return skew_kl(student_logprobs, teacher_logprobs, alpha=1.0)


def reverse_kl(student_logprobs: Tensor, teacher_logprobs: Tensor) -> Tensor:
    """Reverse KL(q || p) = sum_v q log(q/p), p the teacher.

    Arguments and errors as `forward_kl`; inf where p excludes a token that q can produce.
    """
    return skew_reverse_kl(student_logprobs, teacher_logprobs, alpha=0.0)
