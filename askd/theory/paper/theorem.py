"""Statements on steps of gradient descent: Theorem 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from askd.skewness import project
from askd.theory.convergence import (
    Region,
    askd_loss,
    centred,
    curvatures,
    directions,
    gradient,
    printed_rate,
    quadratic,
    region,
    skew_loss,
    slowest_direction,
    softened_quadratic,
)
from askd.theory.estimators import relative_error
from askd.theory.example import Example, cases
from askd.theory.statements import (
    ROUNDING,
    Claim,
    Statement,
    at_least,
    at_most,
    largest,
    measured,
    positive,
    printed,
    smallest,
    vanishes,
)

Examples = Sequence[Example]

# The share of the largest step size, 2 mu / beta^2, that steps are taken with.
SHARE = 0.25
# Relative precision of eigenvalues that are small beside the largest.
CURVATURE = 1e-6


def step_size(mu: float = 0.1, beta: float = 1.0, allowed: float = 1.0) -> Statement:
    """The rate of Theorem 1 over the step sizes up to `allowed` times 2 mu / beta^2."""
    shares = torch.linspace(0, allowed, 201, dtype=torch.float64)[1:-1].tolist()
    rates = [printed_rate(mu, beta, share * 2 * mu / beta**2) for share in shares]
    return Statement(
        "Theorem 1: step size",
        "kappa = 1 - 2 eta mu + eta^2 beta^2 lies in (0, 1) for eta < 2 mu/beta^2",
        printed(
            positive(f"smallest kappa, mu = {mu:g}, beta = {beta:g}", smallest(rates)),
            positive("smallest 1 - kappa", 1 - largest(rates)),
        ),
    )


def factor(examples: Examples, alpha: float = 0.5, radius: float = 0.1) -> Statement:
    """What a step does to the logarithm of the distance, in units of log(kappa)."""
    regions = [quadratic()]
    for example in examples:
        optimum = centred(example.teacher)
        loss = skew_loss(example, "srkl", alpha)
        slow = slowest_direction(loss, optimum)[None]
        offsets = radius * torch.cat([slow, directions(optimum, 50)])
        regions.append(region(loss, optimum, offsets))
    progress = [_progress(points, points.monotonicity, points.smoothness) for points in regions]
    # With the constant of growth that Lemma 2 names, which is smaller.
    progress.append(_progress(*softened_quadratic()))
    label = "log(step factor)/log(kappa)"
    return Statement(
        "Theorem 1: factor",
        "A step brings the student closer to the optimum by the factor kappa",
        printed(
            at_least(f"smallest {label}", smallest(progress), 1 - ROUNDING),
            measured("of a quadratic", progress[0]),
            measured("of SRKL", smallest(progress[1:-1])),
            measured("of a convex loss with mu as in Lemma 2", progress[-1]),
        ),
        correction=Claim(
            "by sqrt(kappa), since squared norms are what is bounded, where <grad L, theta - "
            "theta*> >= mu |theta - theta*|^2",
            (at_least(f"smallest {label}", smallest(progress), 0.5),),
        ),
    )


def premise(wave: float = 4.0) -> Statement:
    """Lemma 2's growth as a premise of the contraction: x^2 (3/2 + cos(wave x))."""
    x = torch.linspace(-3, 3, 2000, dtype=torch.float64, requires_grad=True)
    values = x**2 * (1.5 + torch.cos(wave * x))
    (slope,) = torch.autograd.grad(values.sum(), x)
    points = Region(x.detach()[:, None], slope[:, None])
    growth = (values / x**2).min().item()
    step = SHARE * 2 * growth / points.smoothness**2
    return Statement(
        "Theorem 1: premise",
        "Lemmas 2 and 3 are enough for the contraction",
        printed(
            at_most("largest step factor", points.largest_factor(step), 1 - ROUNDING),
            measured(f"where x^2 (3/2 + cos {wave:g}x) grows with mu", growth),
        ),
        instead=Claim(
            "strong monotonicity is needed, <grad L, theta - theta*> >= mu |theta - theta*|^2, "
            "which growth gives for convex losses only, and the Hessian near the optimum only",
            (at_most("smallest monotonicity of this loss", points.monotonicity, 0),),
        ),
    )


def monotone(examples: Examples, radii: tuple[float, float] = (0.1, 10.0)) -> Statement:
    """Strong monotonicity of SRKL with one alpha, near the optimum and far from it."""
    near, far = (
        smallest(
            region(
                skew_loss(example, "srkl", 0.5),
                centred(example.teacher),
                radius * directions(example.teacher, 300),
            ).monotonicity
            for example in examples
        )
        for radius in radii
    )
    label = "smallest <grad L, d>/|d|^2 of 300 directions"
    return Statement(
        "Theorem 1: mu",
        "SRKL (alpha = 0.5) is strongly monotone about the optimum",
        (
            Claim(f"at distance {radii[0]:g}", (positive(label, near),)),
            Claim(f"at distance {radii[1]:g}", (positive(label, far),)),
        ),
    )


def rate(examples: Examples, rewards: Sequence[float] = (-1.5, 0.0, 1.5)) -> Statement:
    """How the curvature of SRKL at q = p, and with it the rate, depends on the rewards."""
    bound = max(abs(reward) for reward in rewards)

    def mu(example: Example, reward: float) -> float:
        """The smallest curvature where all outputs have this reward."""
        loss = skew_loss(example, "srkl", float(project([reward], 1.0)[0]))
        return curvatures(loss, example.teacher)[len(example.teacher)].item()

    spreads, least, errors = [], [], []
    for example in examples:
        values = [mu(example, reward) for reward in rewards]
        spreads.append(max(values) / min(values))
        least.append(min(values))
        # 1 - Phi(r) = Phi(-r)
        shares = project([-bound, -2 * bound], 1.0)
        falls = mu(example, 2 * bound) / mu(example, bound)
        errors.append(abs(falls / (shares[1] / shares[0]) ** 2 - 1))
    return Statement(
        "Theorem 1: rate",
        "The rate does not depend on the rewards (SRKL, one alpha)",
        (
            Claim(
                "mu is the same for all rewards",
                (at_most("largest mu/smallest mu", largest(spreads), 1 + ROUNDING),),
            ),
            Claim(
                f"one mu serves all |r| <= {bound:g}", (positive("smallest mu", smallest(least)),)
            ),
        ),
        instead=Claim(
            "it depends on the bound of the rewards: mu falls like (1 - Phi(B))^2",
            (at_most("largest relative difference from that", largest(errors), CURVATURE),),
        ),
    )


def one_loss(examples: Examples) -> Statement:
    """The loss of the theorem (SRKL), of Lemma 3 (SKL) and of Lemma 2 (Eq. 7)."""
    differences = []
    for example, alpha in cases(examples):
        theorem = gradient(skew_loss(example, "srkl", alpha), example.student)
        for loss in (skew_loss(example, "skl", alpha), askd_loss(example, alpha)):
            differences.append(relative_error(gradient(loss, example.student), theorem))
    return Statement(
        "Theorem 1: loss",
        "SRKL in the theorem, Eq. 7 in Lemma 2 and SKL in Lemma 3 are one loss",
        printed(
            vanishes("largest relative difference of their gradients", largest(differences)),
            measured("smallest", smallest(differences)),
        ),
    )


def uniform(
    examples: Examples, distances: tuple[float, float] = (0.1, 40.0), step: float = 1.0
) -> Statement:
    """Whether one factor below 1 serves all starts: SKL with one alpha."""
    near, far = (
        largest(
            region(
                skew_loss(example, "skl", 0.5),
                centred(example.teacher),
                distance * directions(example.teacher, 100),
            ).largest_factor(step)
            for example in examples
        )
        for distance in distances
    )
    return Statement(
        "Theorem 1: uniform",
        "Convergence is uniform over all students (SKL, alpha = 0.5)",
        (
            Claim(
                f"students at distance {distances[0]:g}",
                (at_least("1 - largest step factor, of 100 directions", 1 - near, 1e-6),),
            ),
            Claim(
                f"students at distance {distances[1]:g}",
                (at_least("1 - largest step factor, of 100 directions", 1 - far, 1e-6),),
            ),
        ),
    )


def _progress(points: Region, mu: float, beta: float) -> float:
    """log of the largest factor of a step over log of the printed kappa."""
    size = SHARE * 2 * mu / beta**2
    return math.log(points.largest_factor(size)) / math.log(printed_rate(mu, beta, size))
