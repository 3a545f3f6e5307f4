"""How noisy the gradient of a minibatch is, from the gradients of independent minibatches.

Everything follows from inner products: M gradients of any length enter as matrices [M, M]. With
g_i the gradient of minibatch i and averages over pairs of different minibatches, without bias,

    |E g|^2  =  mean over i != j of <g_i, g_j>,
    tr Cov(g)  =  mean over i != j of |g_i - g_j|^2 / 2.

The second is the sample variance, and the first is |mean g|^2 - tr Cov / M. Intervals are those of
a percentile bootstrap over minibatches. A minibatch that was drawn twice makes no pair with itself,
and so adds nothing to |E g|^2 that is not in the data.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """The noise of an estimator's gradient g, beside a reference gradient f.

    Attributes:
        nsr: noise-to-signal ratio, tr Cov(g) / |E g|^2; infinite where |E g|^2 is not positive.
        nsr_ratio: the same over that of f.
        trace: tr Cov(g).
        cosine: mean cosine of g of one minibatch with the mean f of the others; 0 where g is 0.
        mean_cosine: cosine of E g with E f, free of the noise that both means share and of that
            which pulls it down; may exceed 1 by chance, and is undefined where |E g|^2 is not
            positive.
    """

    nsr: Estimate
    nsr_ratio: Estimate
    trace: Estimate
    cosine: Estimate
    mean_cosine: Estimate


def noise(gradients: NDArray, reference: NDArray, seed: int) -> Noise:
    """The noise of `gradients` [M, P] beside `reference` [M, P], on the same M minibatches.

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
    own, mixed, other = (
        np.asarray(left, np.float64) @ np.asarray(right, np.float64).T
        for left, right in (
            (gradients, gradients),
            (gradients, reference),
            (reference, reference),
        )
    )
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    # How often each minibatch counts: once, and then as drawn.
    weights = np.vstack([np.ones(count), draws])
    measures: dict[str, Callable[[], Array]] = {
        "nsr": lambda: _nsr(own, weights),
        "nsr_ratio": lambda: _nsr(own, weights) / _nsr(other, weights),
        "trace": lambda: _trace(own, weights),
        "cosine": lambda: _cosine(own, mixed, other, weights),
        "mean_cosine": lambda: _mean_cosine(own, mixed, other, weights),
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        return Noise(**{name: _estimate(measure()) for name, measure in measures.items()})


def _estimate(values: Array) -> Estimate:
    """From the value of the data, followed by those of the resamples."""
    # No interpolation: limits may be infinite.
    low, high = np.quantile(values[1:], [0.025, 0.975], method="closest_observation")
    return Estimate(float(values[0]), float(low), float(high))


def _pairs(products: Array, weights: Array) -> Array:
    """The mean of `products` [M, M] over pairs of different minibatches, for each weighting."""
    diagonal = products.diagonal()
    total = np.einsum("ri,ij,rj->r", weights, products, weights, optimize=True)
    number = weights.sum(1) ** 2 - (weights**2).sum(1)
    return (total - weights**2 @ diagonal) / number


def _trace(own: Array, weights: Array) -> Array:
    squares = own.diagonal()
    return _pairs((squares[:, None] + squares) / 2 - own, weights)


def _nsr(own: Array, weights: Array) -> Array:
    signal = _pairs(own, weights)
    return np.where(signal > 0, _trace(own, weights) / signal, np.inf)


def _cosine(own: Array, mixed: Array, other: Array, weights: Array) -> Array:
    inner = weights @ mixed.T - weights * mixed.diagonal()
    sums = weights @ other
    squares = (sums * weights).sum(1, keepdims=True) - 2 * weights * sums
    squares += weights**2 * other.diagonal()
    cosines = inner / np.sqrt(own.diagonal() * squares.clip(min=0))
    cosines = np.where(own.diagonal() > 0, cosines, 0.0)
    # A minibatch that was not drawn may have others' mean undefined; it does not count.
    return np.where(weights > 0, weights * cosines, 0.0).sum(1) / weights.sum(1)


def _mean_cosine(own: Array, mixed: Array, other: Array, weights: Array) -> Array:
    signals = _pairs(own, weights), _pairs(other, weights)
    resolved = (signals[0] > 0) & (signals[1] > 0)
    norms = np.sqrt(np.where(resolved, signals[0] * signals[1], np.nan))
    return _pairs(mixed, weights) / norms
