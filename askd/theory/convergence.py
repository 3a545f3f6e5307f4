"""Gradient descent on enumerated losses: curvature, the contraction of a step, and limits.

A loss is a function of the student's logits. The softmax does not see a shift of a prefix's
logits, so distances are taken between logits whose rows have mean zero; gradients have it anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from askd.theory import tabular
from askd.theory.estimators import Side
from askd.theory.example import Example

Loss = Callable[[Tensor], Tensor]


def skew_loss(
    example: Example, side: Side, alpha: float | Tensor, mixture: tabular.Mixture = "token"
) -> Loss:
    """The enumerated divergence of a side."""
    divergence = {"skl": tabular.skew_kl, "srkl": tabular.skew_reverse_kl}[side]
    return lambda logits: divergence(example.space, logits, example.teacher, alpha, mixture)


def askd_loss(
    example: Example,
    alpha: float | Tensor,
    kappa: float | Tensor = 1.0,
    mixture: tabular.Mixture = "token",
) -> Loss:
    """SKL on teacher outputs plus kappa-weighted SRKL on student outputs; Eq. 7."""

    def loss(logits: Tensor) -> Tensor:
        models = (example.space, logits, example.teacher, alpha, mixture)
        return tabular.skew_kl(*models) + tabular.skew_reverse_kl(*models, kappa)

    return loss


def gradient(loss: Loss, logits: Tensor) -> Tensor:
    """Gradient of `loss`, [P, V]."""
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(logits), logits)[0]


def curvatures(loss: Loss, logits: Tensor) -> Tensor:
    """Eigenvalues of the Hessian with respect to all P * V logits, ascending."""
    return torch.linalg.eigvalsh(hessian(loss, logits))


def hessian(loss: Loss, logits: Tensor) -> Tensor:
    """Hessian with respect to all logits, [P * V, P * V]."""
    size = logits.numel()
    return torch.autograd.functional.hessian(loss, logits).reshape(size, size)


def fisher(example: Example) -> Tensor:
    """Fisher matrix of the teacher's sequences in its logits, E_p[s s^T], [P * V, P * V].

    Block-diagonal: P(prefix) (diag(p_t) - p_t p_t^T).
    """
    rows, size = example.teacher.shape
    probability = torch.zeros(rows, dtype=torch.float64)
    per_sequence = example.teacher_probabilities[:, None].expand(-1, example.space.length)
    probability.index_add_(0, example.space.prefixes.flatten(), per_sequence.flatten())
    p = example.teacher.softmax(-1)
    # A prefix of t tokens occurs once in every sequence that begins with it.
    blocks = probability[:, None, None] * (torch.diag_embed(p) - p[:, :, None] * p[:, None, :])
    return torch.block_diag(*blocks).reshape(rows * size, rows * size)


def centred(logits: Tensor) -> Tensor:
    """The same model with rows of mean zero."""
    return logits - logits.mean(-1, keepdim=True)


def directions(like: Tensor, count: int, seed: int = 0) -> Tensor:
    """Random directions of norm 1 among tables with rows of mean zero, [count, P, V]."""
    generator = torch.Generator().manual_seed(seed)
    draws = centred(torch.randn(count, *like.shape, generator=generator, dtype=torch.float64))
    return draws / draws.flatten(1).norm(dim=1)[:, None, None]


def slowest_direction(loss: Loss, optimum: Tensor) -> Tensor:
    """The direction of the smallest curvature at the optimum, shifts of rows aside, [P, V]."""
    vectors = torch.linalg.eigh(hessian(loss, optimum)).eigenvectors
    # Shifts have no curvature at all: one for each row.
    return vectors[:, len(optimum)].view_as(optimum)


@dataclass(frozen=True)
class Region:
    """Distances d = theta - theta* and gradients g at points around an optimum, both [n, k]."""

    distances: Tensor
    gradients: Tensor

    @property
    def monotonicity(self) -> float:
        """mu: the smallest <g, d> / |d|^2."""
        inner = (self.distances * self.gradients).sum(1)
        return (inner / self.distances.square().sum(1)).min().item()

    @property
    def smoothness(self) -> float:
        """beta: the largest |g| / |d|."""
        return (self.gradients.norm(dim=1) / self.distances.norm(dim=1)).max().item()

    def largest_factor(self, step_size: float) -> float:
        """The largest |theta_{k+1} - theta*| / |theta_k - theta*| of a step from these points."""
        after = self.distances - step_size * self.gradients
        return (after.norm(dim=1) / self.distances.norm(dim=1)).max().item()


def region(loss: Loss, optimum: Tensor, offsets: Tensor) -> Region:
    """The points optimum + offset."""
    gradients = torch.stack([gradient(loss, optimum + offset) for offset in offsets])
    return Region(offsets.flatten(1), gradients.flatten(1))


def quadratic(mu: float = 1.0, beta: float = 2.0) -> Region:
    """mu x^2 / 2 + beta y^2 / 2 on a circle: strongly monotone with mu, smooth with beta."""
    angle = torch.linspace(0, torch.pi, 200, dtype=torch.float64)
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    return Region(points, points * torch.tensor([mu, beta]))


def softened_quadratic(knee: float = 0.3) -> tuple[Region, float, float]:
    """x^2 / 2 that goes on straight beyond `knee`, on (0, 1]; with its growth mu and its beta = 1.

    It is convex, and L(x) >= mu x^2 with mu = knee - knee^2 / 2, as Lemma 2 has it.
    """
    x = torch.linspace(0.01, 1, 200, dtype=torch.float64)
    values = torch.where(x < knee, x**2 / 2, knee * x - knee**2 / 2)
    return Region(x[:, None], x.clamp(max=knee)[:, None]), (values / x**2).min().item(), 1.0


def printed_rate(mu: float, beta: float, step_size: float) -> float:
    """kappa = 1 - 2 eta mu + eta^2 beta^2 of Theorem 1."""
    return 1 - 2 * step_size * mu + (step_size * beta) ** 2


def descend(loss: Loss, start: Tensor, step_size: float, steps: int) -> Tensor:
    """The logits after so many steps of gradient descent."""
    logits = start
    for _ in range(steps):
        logits = logits - step_size * gradient(loss, logits)
    return logits


def total_variation(first: Tensor, second: Tensor) -> float:
    """Half the sum of absolute differences of two distributions."""
    return (first - second).abs().sum().item() / 2


def tilted_limit(probability: Tensor, alpha: Tensor) -> tuple[Tensor, float]:
    """The minimiser q* over all distributions of E_p[log p(y) / ((1 - alpha) p + alpha q)(y)].

    The loss is convex in q, so the conditions of Karush, Kuhn and Tucker are sufficient: alpha p/m
    equals a multiplier nu where q > 0 and does not exceed it elsewhere. They give

        q*(y) = p(y) max(0, 1/nu - (1/alpha(y) - 1)).

    Args:
        probability: p of each sequence, [S].
        alpha: weight of the student, one per sequence, in (0, 1), [S].

    Returns:
        q*, [S], and nu.
    """
    floor = 1 / alpha - 1

    def excess(level: Tensor) -> Tensor:
        return probability * (level - floor).clamp(min=0)

    # The sum of q* rises with 1/nu, from 0 to more than 1.
    low, high = floor.min(), floor.max() + 1
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if excess(level).sum() < 1 else (low, level)
    return excess(level), 1 / level.item()
