"""How noisy the gradient of a minibatch is, from the gradients of independent minibatches.

Everything follows from inner products of gradients, as averages over pairs of different
minibatches. With g_i and f_i two estimators' gradients of minibatch i, these are without bias:

    |E g|^2  =  mean over i != j of <g_i, g_j>
    tr Cov(g)  =  mean over i != j of |g_i - g_j|^2 / 2
    <E g, E f>  =  mean over i != j of <g_i, f_j>

The second is the sample variance, and the first is |mean g|^2 - tr Cov / M for M minibatches. The
third is free of the noise that g_i and f_i have in common. Intervals are those of a percentile
bootstrap over minibatches, in which a minibatch that was drawn twice makes no pair with itself.

Measured coverage of the 95 % intervals, for M = 30 normal gradients of 20 or 200 dimensions, with
eigenvalues of the covariance falling as 1/sqrt(k) or 1/k, NSR of f of 2 and 4, and of g of 1.7 and
7 times as much, 1000 repetitions each: 95 to 99 % for NSR and its ratio, 91 to 94 % for tr Cov, 93
to 97 % for the cosine of one gradient, and over 99 % for that of the means.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SMALLEST = 8
"""Of fewer minibatches a resample may be one minibatch only, which has no variance."""

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A number and its 95 % confidence limits."""

    value: float
    low: float
    high: float


class Noise(NamedTuple):
    """The noise of an estimator's gradient g, beside a reference's gradient f.

    Attributes:
        nsr: noise-to-signal ratio, tr Cov(g) / |E g|^2; infinite where |E g|^2 is not positive.
        nsr_ratio: the same over that of f.
        trace: tr Cov(g).
        cosine: mean cosine of g with E f; a g of 0 counts as 0.
        mean_cosine: cosine of E g with E f. As |E g|^2 is estimated, chance may bring it above 1
            or leave it undefined (NaN).
    """

    nsr: Estimate
    nsr_ratio: Estimate
    trace: Estimate
    cosine: Estimate
    mean_cosine: Estimate


def noise(gradients: NDArray, reference: NDArray, seed: int) -> Noise:
    """The noise of `gradients` [M, P] beside `reference` [M, P], on the same M minibatches.

    Where a gradient is not finite all of it is undefined: NaN, within limits that say nothing.

    Raises:
        ValueError: the shapes differ, or there are fewer than SMALLEST minibatches.
    """
    if gradients.shape != reference.shape or gradients.ndim != 2:
        raise ValueError(
            f"gradients must be two matrices [M, P] of one shape, got {gradients.shape} and "
            f"{reference.shape}"
        )
    count = len(gradients)
    if count < SMALLEST:
        raise ValueError(f"{count} minibatches are too few for an interval; at least {SMALLEST}")
    if not np.isfinite(gradients).all():
        return Noise(*[Estimate(np.nan, -np.inf, np.inf)] * len(Noise._fields))
    gradients, reference = (np.asarray(side, np.float64) for side in (gradients, reference))
    own, mixed, other = (
        left @ right.T
        for left, right in ((gradients, gradients), (gradients, reference), (reference, reference))
    )
    norms = np.sqrt(own.diagonal())
    direction = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    # How often each minibatch counts: once in the data, and then as drawn.
    weights = np.vstack([np.ones(count), draws])
    squares = own.diagonal(), other.diagonal()
    signal, trace, inner, cosine, other_signal, other_trace = (
        _pairs(products, weights)
        for products in (
            own,
            (squares[0][:, None] + squares[0]) / 2 - own,
            mixed,
            direction[:, None] * mixed,
            other,
            (squares[1][:, None] + squares[1]) / 2 - other,
        )
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        nsr = np.where(signal > 0, trace / signal, np.inf)
        other_nsr = np.where(other_signal > 0, other_trace / other_signal, np.inf)
        return Noise(
            nsr=_estimate(nsr),
            nsr_ratio=_estimate(nsr / other_nsr),
            trace=_estimate(trace),
            cosine=_estimate(cosine / np.sqrt(other_signal)),
            mean_cosine=_estimate(inner / (np.sqrt(signal) * np.sqrt(other_signal))),
        )


def _pairs(products: Array, weights: Array) -> Array:
    """The mean of `products` [M, M] over pairs of different minibatches, for each weighting."""
    products = products - np.diag(products.diagonal())
    pairs = weights.sum(1) ** 2 - (weights**2).sum(1)
    return ((weights @ products) * weights).sum(1) / pairs


def _estimate(values: Array) -> Estimate:
    """From the value in the data, followed by those in the resamples.

    A resample without a value counts against both limits.
    """
    missing = np.isnan(values[1:])
    low, high = (
        # Limits may be infinite, so that there is no interpolating.
        np.quantile(np.where(missing, sign * np.inf, values[1:]), at, method="nearest")
        for sign, at in ((-1, 0.025), (1, 0.975))
    )
    return Estimate(float(values[0]), float(low), float(high))
