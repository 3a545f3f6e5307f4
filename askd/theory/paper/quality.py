"""Statements on quality and skewness: Eqs. 12 and 13, Section 4.2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import sub

import numpy as np
import torch

from askd.skewness import group_advantages, project
from askd.theory import coefficients, projection
from askd.theory.statements import (
    Claim,
    Statement,
    at_least,
    at_most,
    largest,
    measured,
    positive,
    printed,
    vanishes,
)

BETAS = (0.5, 1.0, 2.0)
# Central differences of Phi, with steps of 1e-5.
DIFFERENCES = 1e-8


def slope(betas: Sequence[float] = BETAS) -> Statement:
    """The derivative of the projection."""
    r = np.linspace(-3, 3, 61)

    def error(factor: bool) -> float:
        return largest(
            np.abs(
                projection.slope(r, beta)
                - (beta if factor else 1) * projection.printed_slope(r, beta)
            ).max()
            for beta in betas
        )

    return Statement(
        "Eq. 12: derivative",
        "dA/dr is exp(-beta^2 r^2 / 2) / sqrt(2 pi)",
        printed(at_most("largest error", error(factor=False), DIFFERENCES)),
        correction=Claim(
            "it is beta times that", (at_most("largest error", error(factor=True), DIFFERENCES),)
        ),
    )


def monotone(betas: Sequence[float] = BETAS) -> Statement:
    """Monotonicity and limits of the projection."""
    r = np.linspace(-2.5, 2.5, 501)
    tails = np.array([-18.0, 18.0])
    ends = [project(tails, beta) for beta in betas]
    return Statement(
        "Eq. 12: range",
        "alpha rises strictly with r, from 0 to 1 without reaching them",
        printed(
            positive("smallest step", min(np.diff(project(r, beta)).min() for beta in betas)),
            vanishes("distance from 0 and 1 far out", largest(max(e[0], 1 - e[1]) for e in ends)),
            positive("though above", min(min(e[0], 1 - e[1]) for e in ends)),
        ),
    )


def uniform(betas: Sequence[float] = BETAS) -> Statement:
    """The law of alpha for normal rewards."""
    label = "Kolmogorov distance from it"
    tolerance = 1e-8  # of the inverse of Phi
    return Statement(
        "Eq. 12: uniform",
        "For r ~ N(0, 1), alpha is uniform on (0, 1)",
        printed(
            *(
                at_most(
                    f"{label}, beta = {beta:g}", projection.distance_from_uniform(beta), tolerance
                )
                for beta in betas
            )
        ),
        correction=Claim(
            "for beta = 1 only",
            (at_most(f"{label}, beta = 1", projection.distance_from_uniform(1.0), tolerance),),
        ),
    )


def group_law(size: int = 4, beta: float = 1.0, accuracy: float = 0.5) -> Statement:
    """The law of alpha for binary rewards in groups."""
    law = projection.law_of_group_alphas(size, beta, accuracy)
    alphas = sorted(law)
    bound = (size - 1) / size**0.5
    reach = project([-bound, bound], beta)
    return Statement(
        "Figure 2: groups",
        f"alpha is uniform for binary rewards in groups of {size} too",
        printed(
            at_most("Kolmogorov distance from it", projection.law_distance_from_uniform(law), 0.01),
            measured("number of values", len(alphas)),
        ),
        instead=Claim(
            f"few values, within Phi(-+beta (G - 1)/sqrt(G)) = {reach[0]:.3f} to {reach[1]:.3f}",
            (
                at_least("smallest", alphas[0], reach[0]),
                at_most("largest", alphas[-1], reach[1]),
            ),
        ),
    )


def clipped(size: int = 4, beta: float = 1.0) -> Statement:
    """What kappa leaves of adaptive skewness where rewards are binary."""
    used = projection.used_alphas(size, beta)
    return Statement(
        "Eq. 13 with Eq. 12",
        f"How hard a student output is pushed down follows its quality (binary, groups of {size})",
        printed(
            vanishes(
                "spread of alpha over used outputs, which are all wrong", max(used) - min(used)
            )
        ),
        instead=Claim(
            "it follows the other outputs of the group: alpha falls as more of them are right, and "
            "a group that is all right adds nothing",
            (
                positive("smallest fall", min(map(sub, used, used[1:]), default=math.inf)),
                *(measured(f"alpha, {right} right", alpha) for right, alpha in enumerate(used)),
            ),
        ),
    )


def zero_advantage(rewards: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> Statement:
    """Both uses of the advantages of a group of equal rewards."""
    advantages = group_advantages(rewards, ["group"] * len(rewards))
    c = coefficients.ratios(1e-3, 1e3)[:, None]
    multiplied = torch.from_numpy(advantages) * coefficients.skl(c, 0.5)
    alpha = project(advantages, 1.0)
    return Statement(
        "Section 4.2: zero advantage",
        "A group of equal rewards stops the GRPO-like update, and is trained on with alpha = 0.5",
        printed(
            vanishes("largest |lambda_GRPO|", multiplied.abs().max()),
            vanishes("|alpha - 0.5|", np.abs(alpha - 0.5).max()),
            positive("smallest lambda_SKL", coefficients.skl(c, torch.from_numpy(alpha)).min()),
        ),
    )


def bounded(
    rewards: Sequence[float] = (-1.5, 1.5), c: tuple[float, float] = (1e-9, 1e9)
) -> Statement:
    """The size of the GRPO-like coefficient alpha' r / (alpha' + (1 - alpha') c)."""
    r = torch.tensor(rewards, dtype=torch.float64)[:, None, None]
    values = r * coefficients.skl(coefficients.ratios(*c)[:, None], coefficients.alphas())
    excess = (values.abs() / r.abs()).max().item()
    return Statement(
        "Section 4.2: GRPO unbounded",
        "The coefficient alpha' r/(alpha' + (1 - alpha') c) is unbounded where rewards are bounded",
        # Above |r| at all, at some of the ratios.
        printed(at_least(f"largest |lambda|/|r|, c from {c[0]:g} to {c[1]:g}", excess, 1.01)),
        instead=Claim(
            "it is bounded by |r|, as alpha' q/m <= 1",
            (at_most("largest |lambda|/|r|", excess, 1),),
        ),
    )


def direction(rewards: Sequence[float] = (-1.5, -0.1)) -> Statement:
    """The sign of the update for negative advantages."""
    grid = coefficients.skl(coefficients.ratios(1e-3, 1e3)[:, None], coefficients.alphas())
    multiplied = torch.tensor(rewards, dtype=torch.float64)[:, None, None] * grid
    projected = coefficients.skl(
        coefficients.ratios(1e-3, 1e3)[:, None], torch.from_numpy(project(rewards, 1.0))
    )
    return Statement(
        "Section 4.2: direction",
        "Multiplied with a negative advantage SKL pushes down; projected, it still pulls up",
        printed(
            positive("smallest -lambda_GRPO", -multiplied.max().item()),
            positive("smallest lambda_SKL", projected.min()),
        ),
    )
