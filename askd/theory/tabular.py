"""A tiny autoregressive model with one row of logits per prefix, enumerated exactly.

All V**T sequences of T tokens are listed, so that the divergence between two models, and the
expected gradient of any estimator of it, are finite sums in float64, without sampling error. No
end-of-sequence token: every sequence has length T. Practical up to some 10**5 sequences.

The divergences are written out in plain probabilities and share no code with askd.objectives,
which they serve to check. Glossary: V vocabulary, T length, S = V**T sequences, P prefixes,
N = S * T tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

Mixture = Literal["token", "sequence"]
Sampler = Literal["teacher", "student"]
Surrogate = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class SequenceSpace:
    """All sequences of `length` tokens over `vocabulary` symbols, in lexicographic order.

    A model on this space is a table of logits [P, V], one row per prefix: first the empty prefix,
    then those of one token, and so on up to T - 1 tokens.
    """

    vocabulary: int
    length: int

    @property
    def sequence_count(self) -> int:
        """Number of sequences S."""
        return self.vocabulary**self.length

    @property
    def prefix_count(self) -> int:
        """Number of prefixes P: the rows of a model's table of logits."""
        return sum(self.vocabulary**t for t in range(self.length))

    @cached_property
    def tokens(self) -> Tensor:
        """Token at each position of each sequence, integers [S, T]."""
        # The index of a sequence, written in base V, is the sequence.
        place = self.vocabulary ** torch.arange(self.length - 1, -1, -1)
        return torch.arange(self.sequence_count)[:, None] // place % self.vocabulary

    @cached_property
    def prefixes(self) -> Tensor:
        """Row of the logits table that predicts each token, integers [S, T]."""
        position = torch.arange(self.length)
        rows_before = torch.cat([torch.zeros(1, dtype=torch.int64), self.vocabulary**position])
        first_row = rows_before.cumsum(0)[:-1]
        index = torch.arange(self.sequence_count)[:, None]
        return first_row + index // self.vocabulary ** (self.length - position)

    def token_logprobs(self, logits: Tensor) -> Tensor:
        """Log-probability of each token given its prefix: logits [P, V] -> [S, T], in nats."""
        return logits.log_softmax(dim=-1)[self.prefixes, self.tokens]


def skew_kl(
    space: SequenceSpace,
    student_logits: Tensor,
    teacher_logits: Tensor,
    alpha: float | Tensor,
    mixture: Mixture = "token",
    weight: float | Tensor = 1.0,
) -> Tensor:
    """Exact skew KL of sequences, E_{y~p}[log p(y)/m(y)]; paper Eq. 3.

    Args:
        space: the sequences.
        student_logits: table of q, [P, V], float64.
        teacher_logits: table of p, [P, V], float64.
        alpha: weight of the student in the mixture; a number, or one per sequence [S].
        mixture: ``token``: m(y) = prod_t [(1 - alpha) p_t + alpha q_t], a mixture at every token;
            ``sequence``: m(y) = (1 - alpha) p(y) + alpha q(y), one mixture of sequences.
        weight: factor of each sequence's log-ratio, such as kappa; a number, or one per sequence.

    Returns:
        The divergence in nats, a differentiable scalar. With an alpha per sequence, m is no
        distribution and this is no divergence: it can be negative.
    """
    student, teacher = space.token_logprobs(student_logits), space.token_logprobs(teacher_logits)
    log_ratio = teacher.sum(1) - _log_mixture(student, teacher, alpha, mixture)
    return (weight * teacher.sum(1).exp() * log_ratio).sum()


def skew_reverse_kl(
    space: SequenceSpace,
    student_logits: Tensor,
    teacher_logits: Tensor,
    alpha: float | Tensor,
    mixture: Mixture = "token",
    weight: float | Tensor = 1.0,
) -> Tensor:
    """Exact skew reverse KL of sequences, E_{y~q}[log q(y)/m(y)]; paper Eq. 4.

    Arguments and result as `skew_kl`. The gradient includes the change of the distribution over
    prefixes, which no sum of per-prefix divergences sees.
    """
    student, teacher = space.token_logprobs(student_logits), space.token_logprobs(teacher_logits)
    log_ratio = student.sum(1) - _log_mixture(student, teacher, alpha, mixture)
    return (weight * student.sum(1).exp() * log_ratio).sum()


def expected_gradient(
    space: SequenceSpace,
    student_logits: Tensor,
    teacher_logits: Tensor,
    surrogate: Surrogate,
    sampler: Sampler,
) -> Tensor:
    """Exact expectation of a sampled surrogate's gradient over the sampler's sequences.

    Args:
        space: the sequences.
        student_logits: table of q, [P, V], float64.
        teacher_logits: table of p, [P, V], float64.
        surrogate: (student_logprob[N], teacher_logprob[N], sequence[N]) -> loss[N] on the tokens
            of all sequences, one sequence after the other; summed over the tokens of a sequence.
        sampler: which model draws the sequences. Its probabilities are constants: a training loop
            does not differentiate through sampling either.

    Returns:
        Expected gradient with respect to the student's logits, [P, V].
    """
    student_logits = student_logits.detach().requires_grad_()
    student, teacher = space.token_logprobs(student_logits), space.token_logprobs(teacher_logits)
    sequence = torch.arange(space.sequence_count).repeat_interleave(space.length)
    loss = surrogate(student.flatten(), teacher.flatten(), sequence).view_as(student).sum(1)
    drawn = {"teacher": teacher, "student": student}[sampler]
    probability = drawn.detach().sum(1).exp()
    (gradient,) = torch.autograd.grad((probability * loss).sum(), student_logits)
    return gradient


def _log_mixture(
    student: Tensor, teacher: Tensor, alpha: float | Tensor, mixture: Mixture
) -> Tensor:
    """Log-probability of each sequence under the mixture; token log-probs [S, T] -> [S]."""
    alpha = torch.as_tensor(alpha, dtype=student.dtype)
    if mixture == "token":
        alpha = alpha.unsqueeze(-1)
        return ((1 - alpha) * teacher.exp() + alpha * student.exp()).log().sum(1)
    if mixture == "sequence":
        return ((1 - alpha) * teacher.sum(1).exp() + alpha * student.sum(1).exp()).log()
    raise ValueError(f"mixture must be one of token, sequence, got {mixture!r}")
