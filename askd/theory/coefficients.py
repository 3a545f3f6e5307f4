"""The coefficients lambda of single tokens as functions of c = p/q and alpha.

They are those of `askd.objectives`, evaluated on sequences of one token.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from askd import objectives

Coefficient = Callable[[Tensor, Tensor], Tensor]


def skl(c: float | Tensor, alpha: float | Tensor) -> Tensor:
    """lambda_SKL = alpha q/m; arguments are broadcast."""
    return _evaluate(objectives.skew_kl_coefficient, c, alpha)


def srkl(c: float | Tensor, alpha: float | Tensor, form: str = "token") -> Tensor:
    """lambda_SRKL = log(m/q) + alpha q/m - 1, or another form of it; arguments are broadcast."""
    return _evaluate(objectives.skew_reverse_kl_coefficient, c, alpha, form=form)


def alphas(count: int = 401, margin: float = 1e-3) -> Tensor:
    """Equidistant weights of the student inside (0, 1)."""
    return torch.linspace(margin, 1 - margin, count, dtype=torch.float64)


def ratios(low: float, high: float, count: int = 401) -> Tensor:
    """Ratios c with equidistant logarithms."""
    return torch.logspace(_log10(low), _log10(high), count, dtype=torch.float64)


def srkl_slope(c: float | Tensor, alpha: float | Tensor) -> Tensor:
    """Derivative of lambda_SRKL with respect to alpha, (2 c - c^2 + alpha (1 - c)^2) / (m/q)^2."""
    c, alpha = _pair(c, alpha)
    return (2 * c - c**2 + alpha * (1 - c) ** 2) / (alpha + (1 - alpha) * c) ** 2


def bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where `holds` turns from true (at `low`) to false (at `high`)."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def lipschitz(
    coefficient: Coefficient, project: Callable[[Tensor], Tensor], r: Tensor, c: Tensor
) -> float:
    """Largest gradient norm of lambda(Phi(r), c) in (r, c) on a grid, by central differences.

    On a convex domain the supremum of this norm is the Lipschitz constant.
    """
    step = 1e-6
    r, c = torch.meshgrid(r, c, indexing="ij")

    def value(r: Tensor, c: Tensor) -> Tensor:
        return coefficient(c, project(r))

    by_r = (value(r + step, c) - value(r - step, c)) / (2 * step)
    by_c = (value(r, c * (1 + step)) - value(r, c * (1 - step))) / (2 * step * c)
    return torch.hypot(by_r, by_c).max().item()


def steepest_pair(
    coefficient: Coefficient,
    project: Callable[[Tensor], Tensor],
    r: Tensor,
    c: Tensor,
    count: int = 100_000,
) -> float:
    """Largest |lambda_1 - lambda_2| / distance over random pairs of points from the grid's box."""
    generator = torch.Generator().manual_seed(0)

    def draw() -> tuple[Tensor, Tensor]:
        u, v = torch.rand(2, count, generator=generator, dtype=torch.float64)
        return r.min() + u * (r.max() - r.min()), c.min() * (c.max() / c.min()) ** v

    (r1, c1), (r2, c2) = draw(), draw()
    difference = coefficient(c1, project(r1)) - coefficient(c2, project(r2))
    return (difference.abs() / torch.hypot(r1 - r2, c1 - c2)).max().item()


def _evaluate(coefficient: Callable, c: float | Tensor, alpha: float | Tensor, **options) -> Tensor:
    c, alpha = _pair(c, alpha)
    log_c, log_q = c.log().flatten(), torch.zeros(c.numel(), dtype=torch.float64)
    tokens = torch.arange(c.numel())
    return coefficient(log_q, log_c, alpha.flatten(), tokens, **options).view_as(c)


def _pair(c: float | Tensor, alpha: float | Tensor) -> tuple[Tensor, Tensor]:
    return torch.broadcast_tensors(
        torch.as_tensor(c, dtype=torch.float64), torch.as_tensor(alpha, dtype=torch.float64)
    )


def _log10(value: float) -> float:
    return torch.tensor(value, dtype=torch.float64).log10().item()
