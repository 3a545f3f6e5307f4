"""Reverse KL of whole sequences by policy gradient, after MiniLLM (Gu et al. 2024).

A token's loss is PPO's, with a return of log-ratios as its advantage, plus the exact reverse KL
over the vocabulary at its prefix. What a token earns at once is in both, as in LMOps' code; the
paper's decomposition has it in the second alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from askd.objectives.kullback_leibler import reverse_kl
from askd.objectives.sampled import surrogate


@torch.no_grad()
def log_ratio_rewards(
    old_logprob: Tensor, teacher_logprob: Tensor, scale: float, limit: float
) -> Tensor:
    """Reward of each token, (log p - log q_old) / scale, clipped to +-limit; [N] -> [N].

    Args:
        old_logprob: log q_old(y_t | y_<t) of the student that the output was sampled from, [N].
        teacher_logprob: log p(y_t | y_<t), [N].
        scale: divides the log-ratio, positive.
        limit: largest magnitude, positive.
    """
    return ((teacher_logprob - old_logprob) / scale).clamp(-limit, limit)


@torch.no_grad()
def normalized_returns(rewards: Tensor, sequence: Tensor, discount: float) -> Tensor:
    """Discounted reward to go, per remaining token: sum_{i >= t} discount^(i-t) r_i / (T - t).

    T - t counts the token itself and all later ones of its sequence, undiscounted.

    Args:
        rewards: r_t, [N].
        sequence: index of the sequence that each token belongs to, non-decreasing integers [N],
            the tokens of a sequence in order and complete.
        discount: in [0, 1].

    Returns:
        [N], without gradient.
    """
    _, lengths = torch.unique_consecutive(sequence, return_counts=True)
    returns = []
    for own in rewards.split(lengths.tolist()):
        steps = torch.arange(len(own), device=own.device)
        decay = (discount ** (steps - steps[:, None]).to(own.dtype)).triu()
        returns.append(decay @ own / (len(own) - steps))
    return torch.cat(returns) if returns else rewards


@torch.no_grad()
def whiten(values: Tensor, step_values: Tensor) -> Tensor:
    """`values` less the mean of `step_values`, in units of their standard deviation; [N] -> [N].

    (x - mean) / sqrt(variance + 1e-8), with the sample variance. `step_values` are those of all
    response tokens of the optimizer step, whatever its micro-batches. LMOps takes the moments over
    the padded batch instead, so that its zeros at padding positions shift them.
    """
    # A single token has no spread.
    variance = step_values.var(correction=min(1, len(step_values) - 1))
    return (values - step_values.mean()) / (variance + 1e-8).sqrt()


def policy_gradient(
    student_logprobs: Tensor,
    teacher_logprobs: Tensor,
    target: Tensor,
    sampler_logprob: Tensor,
    advantage: Tensor,
    clip_range: float,
) -> Tensor:
    """PPO's loss of the sampled tokens plus the reverse KL at their prefixes.

    -min(A rho w, A clip(rho w, 1 - clip_range, 1 + clip_range)) + KL(q || p), where rho = q / q_old
    and w = q_old / m, the importance weight of a token that was sampled from m. Their product is
    q / m. It is clipped as a whole, so that a token that m likes may be clipped from the start, and
    it corrects the token, not its prefix. A and m are constants.

    Args:
        student_logprobs: log q, normalised over the last dimension, [N, V].
        teacher_logprobs: log p, [N, V].
        target: the sampled tokens, integers [N].
        sampler_logprob: log m(y_t | y_<t), recorded when the output was drawn, [N].
        advantage: A, [N].
        clip_range: half-width of the clipping range, positive.

    Returns:
        Loss in nats, [N]; of its first part only the gradient has a meaning.
    """
    logprob = student_logprobs.gather(1, target[:, None])[:, 0]
    clipped = surrogate(logprob, advantage, sampler_logprob, "clipped", clip_range)
    return clipped + reverse_kl(student_logprobs, teacher_logprobs)
