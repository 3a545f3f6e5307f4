"""Statements on lambda as a function of alpha and c = p/q: Sections 3.1, 3.2 and Figure 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from askd.theory import coefficients
from askd.theory.coefficients import alphas, ratios, skl, srkl, srkl_slope
from askd.theory.estimators import exact_gradient
from askd.theory.example import ALPHAS, Example, cases
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

# Precision of a bound that a bisection finds on a grid of alphas.
BISECTION = 1e-5


def pulling_up(c: Tensor | None = None) -> Statement:
    """The sign of lambda_SKL."""
    c = ratios(1e-6, 1e6) if c is None else c
    return Statement(
        "Section 3.1: SKL pulls up",
        "lambda_SKL is positive",
        printed(positive("smallest, c from 1e-6 to 1e6", skl(c[:, None], alphas()).min())),
    )


def pushing_down(examples: Examples, levels: Sequence[float] = ALPHAS, c: float = 5.0) -> Statement:
    """The sign of lambda_SRKL on student outputs, and where it changes."""
    shares = [
        _mass(example, srkl(_ratios(example), alpha) > 0, "student")
        for example, alpha in cases(examples, levels)
    ]
    grid = torch.logspace(-9, 0, 501, dtype=torch.float64)[:-1]
    limit = coefficients.bisect(lambda x: bool((srkl(x, grid) < 0).all()), 1.0, 20.0)
    turn = coefficients.bisect(lambda alpha: srkl(c, alpha).item() > 0, 1e-9, 1 - 1e-9)
    return Statement(
        "Sections 3.1, 4.2: SRKL pushes down",
        "lambda_SRKL is negative on student outputs",
        printed(at_most("largest share of tokens (by q) where it is positive", largest(shares), 0)),
        instead=Claim(
            "negative for every alpha only if c <= e; above, it is positive at small alpha",
            (
                at_most("largest such c differs from e by", abs(limit - math.e), BISECTION),
                measured(f"at c = {c:g} positive for alpha below", turn),
            ),
        ),
    )


def ratio_below_one(examples: Examples) -> Statement:
    """Figure 1 (c): which model likes a sampled token more."""
    student = [_mass(example, _ratios(example) < 1, "student") for example in examples]
    teacher = [_mass(example, _ratios(example) > 1, "teacher") for example in examples]
    means = [
        (example.student_probabilities @ _ratios(example) - 1).abs().max().item()
        for example in examples
    ]
    return Statement(
        "Section 3.2, Figure 1: c",
        "p < q on student outputs, so that c < 1, and p > q on teacher outputs",
        printed(
            at_least("smallest share of student tokens", smallest(student), 1 - ROUNDING),
            measured("largest", largest(student)),
            at_least("smallest share of teacher tokens", smallest(teacher), 1 - ROUNDING),
            measured("largest", largest(teacher)),
        ),
        instead=Claim(
            "E_q[c] = 1 at every position, so it can hold for most tokens and never for all",
            (vanishes("largest |E_q[c] - 1|", largest(means)),),
        ),
    )


def skl_rises(examples: Examples, c: Tensor | None = None) -> Statement:
    """lambda_SKL as a function of alpha, and its ends."""
    c = ratios(1e-3, 1e3) if c is None else c
    ends = [
        (exact_gradient(example, "skl", 0.0).norm(), skl(_ratios(example), 1.0).min())
        for example in examples
    ]
    return Statement(
        "Section 3.2: SKL and alpha",
        "lambda_SKL rises with alpha, from no gradient at 0 to the KL at 1",
        printed(
            positive("smallest step on a grid", skl(c[:, None], alphas()).diff().min()),
            vanishes("norm of the gradient at 0", largest(norm.item() for norm, _ in ends)),
            vanishes("|lambda - 1| at 1", largest(abs(end.item() - 1) for _, end in ends)),
        ),
    )


def srkl_rises(examples: Examples, c: float = 5.0) -> Statement:
    """lambda_SRKL as a function of alpha on student tokens, and where its slope changes sign."""
    slopes = [
        srkl_slope(_ratios(example), alpha).min().item()
        for example, alpha in cases(examples, (0.0, *ALPHAS))
    ]
    falling = [_mass(example, _ratios(example) > 2, "student") for example in examples]
    grid = alphas(2001, margin=1e-6)

    def rises(x: float) -> bool:
        return bool((srkl(x, grid).diff() >= 0).all())

    limit = coefficients.bisect(rises, 1.0, 20.0)
    lowest = grid[srkl(c, grid).argmin()].item()
    return Statement(
        "Section 3.2: SRKL and alpha",
        "lambda_SRKL rises with alpha on student outputs",
        printed(
            at_least("smallest slope at a token", smallest(slopes), 0),
            measured("largest share of tokens (by q) with c > 2", largest(falling)),
        ),
        correction=Claim(
            "for every alpha if and only if c <= 2 (so for the c < 1 of the text); else it falls "
            "up to alpha = 1 - 1/(c - 1)^2",
            (
                at_most("largest such c differs from 2 by", abs(limit - 2), 2e-3),
                at_most(
                    f"lowest point at c = {c:g} differs from the formula by",
                    abs(lowest - (1 - 1 / (c - 1) ** 2)),
                    1e-3,
                ),
            ),
        ),
    )


def srkl_range(c: Tensor | None = None) -> Statement:
    """The range of lambda_SRKL for c < 1."""
    c = ratios(0.01, 0.999) if c is None else c
    values = srkl(c[:, None], alphas(margin=1e-9))
    beyond = torch.maximum(values, c.log()[:, None] - 1 - values).max().item()
    return Statement(
        "Section 3.2: range of SRKL",
        "For c < 1 lambda_SRKL lies in (-1, 0)",
        printed(
            at_least(f"smallest, c from {c.min():.2g}", values.min(), -1),
            at_most("largest", values.max(), 0),
        ),
        correction=Claim("in (log c - 1, 0)", (at_most("largest excess", beyond, 0),)),
    )


def srkl_ends(examples: Examples) -> Statement:
    """The gradient of SRKL at the ends of alpha."""
    at_zero = [
        (srkl(_ratios(example), 0.0) - (_ratios(example).log() - 1)).abs().max().item()
        for example in examples
    ]
    at_one = [exact_gradient(example, "srkl", 1.0).norm().item() for example in examples]
    return Statement(
        "Section 3.2: ends of SRKL",
        "SRKL is the RKL at alpha = 0 and has no gradient at 1",
        printed(
            vanishes("|lambda - (log c - 1)| at 0", largest(at_zero)),
            vanishes("norm of the gradient at 1", largest(at_one)),
        ),
    )


def magnitudes(c: Tensor | None = None) -> Statement:
    """The size of both coefficients as functions of alpha."""
    c = ratios(0.01, 0.999) if c is None else c
    forward = skl(c[:, None], alphas()).abs().diff()
    reverse = srkl(c[:, None], alphas()).abs().diff()
    return Statement(
        "Section 3.2: magnitudes",
        "A higher alpha means larger gradients on both sides (c < 1)",
        printed(
            at_least("smallest step of |lambda_SKL|", forward.min(), 0),
            at_least("smallest step of |lambda_SRKL|", reverse.min(), 0),
        ),
        correction=Claim(
            "larger on SKL; on SRKL the signed value rises, so that the magnitude falls",
            (
                at_least("smallest step of |lambda_SKL|", forward.min(), 0),
                at_most("largest step of |lambda_SRKL|", reverse.max(), 0),
            ),
        ),
    )


def proportional(low: float = 0.05, high: float = 20.0) -> Statement:
    """What else than quality decides the coefficient of a teacher token."""
    at = [skl(c, 0.5).item() for c in (low, high)]
    slope = skl(ratios(1e-3, 1e3), 0.5).diff().max()
    return Statement(
        "Abstract: proportional",
        "Teacher outputs are learnt in proportion to their quality",
        printed(
            vanishes("spread of lambda_SKL over tokens with alpha = 0.5", at[0] - at[1]),
            measured(f"at c = {low:g}", at[0]),
            measured(f"at c = {high:g}", at[1]),
        ),
        instead=Claim(
            "lambda_SKL rises with alpha, and at one alpha falls with c: of all tokens those that "
            "the student lacks are damped most",
            (at_most("largest step with c", slope, 0),),
        ),
    )


def _ratios(example: Example) -> Tensor:
    """c of each token, [S, T]."""
    return (example.teacher_logprobs - example.student_logprobs).exp()


def _mass(example: Example, event: Tensor, sampler: str) -> float:
    """Share of the sampler's tokens where `event` [S, T] is true."""
    probability = {
        "student": example.student_probabilities,
        "teacher": example.teacher_probabilities,
    }[sampler]
    return (probability @ event.double()).mean().item()
