"""Statements on smoothness and curvature: Lemmas 1 to 3."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from askd.skewness import project
from askd.theory import coefficients
from askd.theory.convergence import askd_loss, curvatures, fisher, hessian, skew_loss
from askd.theory.example import Example, cases
from askd.theory.statements import (
    ROUNDING,
    Check,
    Claim,
    Statement,
    at_least,
    at_most,
    largest,
    measured,
    printed,
    smallest,
    vanishes,
)

Examples = Sequence[Example]

# Of Theorem 1: bounds on |r| (what groups of four with binary rewards reach) and on c.
REWARD_BOUND = 1.5
RATIO_BOUNDS = (0.1, 10.0)


def lemma_1_forward(
    bound: float = REWARD_BOUND, ratios: tuple[float, float] = RATIO_BOUNDS
) -> Statement:
    """lambda_SKL of a token with alpha = Phi(r), as a function of (r, c).

    With x = m/q its derivatives are c/x^2 in alpha and -alpha (1 - alpha)/x^2 in c. For k =
    max(c_max, 1/c_min) the first is at most k, as x lies between 1 and c, and the second at most
    1/(4 c) <= k/4, as x >= 2 sqrt(alpha (1 - alpha) c).
    """
    return Statement(
        "Lemma 1: SKL",
        f"lambda_SKL of a token is Lipschitz in (r, c): |r| <= {bound:g}, c in {list(ratios)}",
        printed(*_lipschitz(coefficients.skl, bound, ratios, (1, 1 / 4))),
    )


def lemma_1_reverse(
    bound: float = REWARD_BOUND, ratios: tuple[float, float] = RATIO_BOUNDS
) -> Statement:
    """lambda_SRKL of a token with alpha = Phi(r), as a function of (r, c).

    Its derivatives are (1 - c)/x + c/x^2 in alpha, at most 2 k, and (1 - alpha)^2 c/x^2 in c, at
    most k; notation as in `lemma_1_forward`.
    """
    r, c = _grid(bound, ratios, 61)
    as_printed = coefficients.srkl(c[None, :], _project(r)[:, None], form="product")
    return Statement(
        "Lemma 1: SRKL",
        f"lambda_SRKL of a token is Lipschitz in (r, c): |r| <= {bound:g}, c in {list(ratios)}",
        (
            Claim("Eq. 9", _lipschitz(coefficients.srkl, bound, ratios, (2, 1))),
            Claim(
                "Eq. 11 as printed",
                (at_most("undefined on a share of", as_printed.isnan().double().mean(), 0),),
            ),
        ),
    )


def lemma_2(examples: Examples, alpha: float = 0.3) -> Statement:
    """The Hessian of Eq. 7 with one alpha at q = p, where it is smallest."""
    free, fixed, identity = [], [], []
    for example in examples:
        loss = askd_loss(example, alpha)
        free.append(curvatures(loss, example.teacher)[0].item())
        # A basis of the logits whose rows have mean zero.
        rows, size = example.teacher.shape
        basis = torch.linalg.qr(torch.eye(size, dtype=torch.float64)[:, :-1] - 1 / size).Q
        basis = torch.block_diag(*[basis] * rows)
        matrix = hessian(loss, example.teacher)
        fixed.append(torch.linalg.eigvalsh(basis.T @ matrix @ basis)[0].item())
        expected = (alpha**2 + (1 - alpha) ** 2) * fisher(example)
        identity.append((matrix - expected).abs().max().item())
    return Statement(
        "Lemma 2",
        "The Hessian at the optimum is positive definite (one alpha, so that q = p is optimal)",
        (
            Claim("in all logits", (at_least("smallest curvature", smallest(free), ROUNDING),)),
            Claim(
                "in logits whose rows have mean zero",
                (at_least("smallest curvature", smallest(fixed), ROUNDING),),
            ),
        ),
        instead=Claim(
            "the Hessian is (alpha^2 + (1 - alpha)^2) times the Fisher matrix, which is singular "
            "along shifts of a prefix's logits",
            (vanishes("largest difference", largest(identity)),),
        ),
    )


def lemma_3(examples: Examples, scale: float = 3.0, count: int = 50) -> Statement:
    """The gradient of SKL in the logits, a mixture per token.

    Its Hessian has a block for each prefix, times the prefix's probability under p:

        sum_v p_v [lambda_v (diag(q) - q q^T) - lambda_v (1 - lambda_v) (e_v - q) (e_v - q)^T].

    Both terms are positive semidefinite and at most 1/2, so the Hessian is within [-1/2, 1/2].
    """
    generator = torch.Generator().manual_seed(0)
    norms = []
    for example, alpha in cases(examples, (0.2, 0.5, 0.9, 1.0)):
        loss = skew_loss(example, "skl", alpha)
        for _ in range(count):
            shape = example.student.shape
            student = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
            norms.append(curvatures(loss, student).abs().max().item())
    return Statement(
        "Lemma 3",
        "The gradient of SKL is Lipschitz (in logits)",
        printed(at_most(f"largest |curvature| at {len(norms)} students", largest(norms), 0.5)),
    )


def _lipschitz(
    coefficient: coefficients.Coefficient,
    bound: float,
    ratios: tuple[float, float],
    slopes: tuple[float, float],
) -> tuple[Check, ...]:
    """What is measured, against the bound from the largest slopes in alpha and c over k."""
    grid = _grid(bound, ratios, 201)
    constant = coefficients.lipschitz(coefficient, _project, *grid)
    wider_grid = _grid(2 * bound, (ratios[0] / 10, ratios[1]), 201)
    largest_ratio = max(ratios[1], 1 / ratios[0])
    # dalpha/dr = phi(r) is at most phi(0).
    limit = largest_ratio * math.hypot(slopes[0] / math.sqrt(2 * math.pi), slopes[1])
    return (
        at_most("largest gradient norm", constant, limit),
        at_most(
            "steepest of 100,000 pairs",
            coefficients.steepest_pair(coefficient, _project, *grid),
            constant,
        ),
        measured(
            f"gradient norm for |r| <= {2 * bound:g}, c >= {ratios[0] / 10:g}",
            coefficients.lipschitz(coefficient, _project, *wider_grid),
        ),
    )


def _grid(bound: float, ratios: tuple[float, float], count: int) -> tuple[Tensor, Tensor]:
    r = torch.linspace(-bound, bound, count, dtype=torch.float64)
    return r, coefficients.ratios(*ratios, count)


def _project(r: Tensor) -> Tensor:
    """alpha = Phi(r), any shape."""
    return torch.from_numpy(project(r.flatten().numpy(), 1.0)).view_as(r)
