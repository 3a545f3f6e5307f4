"""Estimators of the skew divergences' gradients, and their exact moments.

An estimator is the loss of each sequence as a function of the student; its gradient at a sequence
that the sampler draws is the estimate. The losses are those of `askd.objectives`, as in training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from askd import objectives
from askd.theory import tabular
from askd.theory.example import Example

Side = Literal["skl", "srkl"]
# Of a student's logits [P, V]: the loss of each sequence [S].
SequenceLoss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Moments:
    """Mean and variance of an estimate from one sequence.

    Attributes:
        mean: expected gradient with respect to the student's logits, [P, V].
        variance: trace of the covariance matrix.
    """

    mean: Tensor
    variance: float


def sampled(
    example: Example, side: Side, alpha: float | Tensor, weight: float | Tensor = 1.0, **options
) -> SequenceLoss:
    """The sampled form, sum_t -lambda_t log q(y_t | y_<t).

    `alpha` and `weight` (of the sequence's loss, such as kappa) are numbers or one per sequence;
    `options` are those of the coefficient in `askd.objectives`.
    """
    alpha = _per_token(alpha, example)

    def loss(logits: Tensor) -> Tensor:
        student = example.space.token_logprobs(logits).flatten()
        coefficient = {
            "skl": objectives.skew_kl_coefficient,
            "srkl": objectives.skew_reverse_kl_coefficient,
        }[side](student, example.teacher_logprobs.flatten(), alpha, example.sequence, **options)
        return weight * _per_sequence(objectives.surrogate(student, coefficient), example)

    return loss


def weighted_likelihood(example: Example, coefficient: Tensor) -> SequenceLoss:
    """sum_t -coefficient_t log q(y_t | y_<t) with given coefficients, [S, T]."""
    return lambda logits: -(coefficient * example.space.token_logprobs(logits)).sum(1)


def full_vocabulary(
    example: Example, side: Side, alpha: float | Tensor, weight: float | Tensor = 1.0
) -> SequenceLoss:
    """The divergence over the vocabulary at each prefix of the sequence, summed over prefixes."""
    alpha = _per_token(alpha, example)
    prefixes = example.space.prefixes.flatten()

    def loss(logits: Tensor) -> Tensor:
        divergence = {"skl": objectives.skew_kl, "srkl": objectives.skew_reverse_kl}[side]
        student, teacher = (table.log_softmax(-1)[prefixes] for table in (logits, example.teacher))
        return weight * _per_sequence(divergence(student, teacher, alpha), example)

    return loss


def whole_return(
    example: Example, alpha: float | Tensor, weight: float | Tensor = 1.0
) -> SequenceLoss:
    """SRKL with the logarithms of all tokens in the return of each, also of the earlier ones.

    lambda_t = sum_i log(m_i/q_i) + alpha q_t/m_t - 1, which is no option of `askd.objectives`. Of
    one alpha the earlier tokens add nothing to the expectation; of an alpha(y) they do.
    """
    alpha = _per_token(alpha, example)

    def loss(logits: Tensor) -> Tensor:
        student = example.space.token_logprobs(logits).flatten()
        tokens = (student, example.teacher_logprobs.flatten(), alpha, example.sequence)
        to_go = objectives.skew_reverse_kl_coefficient(*tokens, returns="reward_to_go")
        rest = objectives.skew_kl_coefficient(*tokens) - 1
        first = torch.arange(len(student)) // example.space.length * example.space.length
        coefficient = (to_go - rest)[first] + rest
        return weight * _per_sequence(objectives.surrogate(student, coefficient), example)

    return loss


def reweighted(example: Example, older: Tensor, alpha: float) -> SequenceLoss:
    """SRKL's sampled form on outputs of an older student, by the ratio to it of each token.

    `older` are the log-probabilities of its tokens, [S, T].
    """

    def loss(logits: Tensor) -> Tensor:
        student = example.space.token_logprobs(logits).flatten()
        teacher = example.teacher_logprobs.flatten()
        coefficient = objectives.skew_reverse_kl_coefficient(
            student, teacher, alpha, example.sequence
        )
        losses = objectives.surrogate(student, coefficient, older.flatten(), "ratio")
        return _per_sequence(losses, example)

    return loss


def mean_gradient(
    example: Example, side: Side, loss: SequenceLoss, probability: Tensor | None = None
) -> Tensor:
    """Expected gradient over the sequences of the side's sampler, [P, V].

    `probability` is that of each sequence where another model draws them, [S].
    """
    student = example.student.detach().requires_grad_()
    drawn = _probability(example, side) if probability is None else probability
    return torch.autograd.grad(drawn @ loss(student), student)[0]


def moments(
    example: Example, side: Side, loss: SequenceLoss, probability: Tensor | None = None
) -> Moments:
    """Moments of the gradient over the sequences of the side's sampler, by enumeration.

    `probability` as in `mean_gradient`.
    """
    rows = _gradients(example, loss)
    drawn = _probability(example, side) if probability is None else probability
    mean = torch.einsum("s,spv->pv", drawn, rows)
    second = torch.einsum("s,spv->", drawn, rows.square())
    return Moments(mean, (second - mean.square().sum()).item())


def leave_one_out_moments(
    example: Example, side: Side, loss: SequenceLoss, worth: Tensor, samples: int
) -> Moments:
    """Moments of the gradient of `loss` and of what an output is worth beside `samples` - 1 others.

    The mean over G independent outputs i of loss_i - (w_i - mean of the other w_j) log q(y_i) is a
    U-statistic: the mean over pairs of (l_i + l_j - (w_i - w_j) (log q_i - log q_j)) / 2. So pairs
    are enough to enumerate (Hoeffding, 1948).

    Args:
        example: the models.
        side: whose sampler draws the outputs.
        loss: of each sequence.
        worth: w(y) of each sequence, [S].
        samples: G, at least 2.

    Returns:
        The mean; and the variance of the mean over G outputs, times G, to compare with that of one.
    """
    rows = _gradients(example, loss)
    scores = _gradients(example, lambda logits: example.space.token_logprobs(logits).sum(1))
    drawn = _probability(example, side)
    pairs = (rows[:, None] + rows) / 2
    pairs = pairs - (worth[:, None] - worth)[..., None, None] * (scores[:, None] - scores) / 2
    of_first = torch.einsum("j,ijpv->ipv", drawn, pairs)
    mean = torch.einsum("i,ipv->pv", drawn, of_first)
    square = mean.square().sum()
    first = torch.einsum("i,ipv->", drawn, of_first.square()) - square
    both = torch.einsum("i,j,ijpv->", drawn, drawn, pairs.square()) - square
    return Moments(mean, (2 / (samples - 1) * (2 * (samples - 2) * first + both)).item())


def exact_gradient(
    example: Example,
    side: Side,
    alpha: float | Tensor,
    mixture: tabular.Mixture = "token",
    weight: float | Tensor = 1.0,
) -> Tensor:
    """Gradient of the enumerated divergence (`askd.theory.tabular`), [P, V]."""
    divergence = {"skl": tabular.skew_kl, "srkl": tabular.skew_reverse_kl}[side]
    student = example.student.detach().requires_grad_()
    value = divergence(example.space, student, example.teacher, alpha, mixture, weight)
    return torch.autograd.grad(value, student)[0]


def expected_alpha_gradient(example: Example, alpha: Tensor) -> Tensor:
    """grad E_{y~q}[alpha(y)] for an alpha per sequence, [P, V]."""
    student = example.student.detach().requires_grad_()
    probability = example.space.token_logprobs(student).sum(1).exp()
    return torch.autograd.grad((probability * alpha).sum(), student)[0]


def relative_error(gradient: Tensor, exact: Tensor) -> float:
    """|gradient - exact| / |exact|, Euclidean norms."""
    return ((gradient - exact).norm() / exact.norm()).item()


def cosine(gradient: Tensor, exact: Tensor) -> float:
    """Cosine of the angle between two gradients."""
    return ((gradient * exact).sum() / (gradient.norm() * exact.norm())).item()


def _gradients(example: Example, loss: SequenceLoss) -> Tensor:
    """The gradient at each sequence, [S, P, V]."""
    student = example.student.detach().requires_grad_()
    losses = loss(student)
    return torch.autograd.grad(losses, student, torch.eye(len(losses)), is_grads_batched=True)[0]


def _probability(example: Example, side: Side) -> Tensor:
    """SKL is sampled from the teacher, SRKL from the student."""
    if side == "skl":
        return example.teacher_probabilities
    return example.student_probabilities


def _per_token(alpha: float | Tensor, example: Example) -> float | Tensor:
    return alpha[example.sequence] if isinstance(alpha, Tensor) else alpha


def _per_sequence(losses: Tensor, example: Example) -> Tensor:
    return losses.view(-1, example.space.length).sum(1)
