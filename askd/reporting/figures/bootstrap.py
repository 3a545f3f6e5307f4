"""Intervals over prompts: outputs to one prompt are alike, and tokens of one output even more so.

Prompts are drawn with replacement, together with all that belongs to them (a cluster bootstrap);
the interval is the percentile interval. Where every prompt says the same, as for a share of 1, it
has no width: it says how much prompts differ, not how sure a rare exception is to be absent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

RESAMPLES = 2000
LEVEL = 0.95
_SEED = 0


class Estimate(NamedTuple):
    """Means with their confidence limits, [K] each."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def means(values: NDArray, prompts: NDArray[np.intp]) -> Estimate:
    """Means of `values` [n, K] over all n tokens or outputs, which belong to `prompts` [n].

    `prompts` are numbers from 0 without a gap.
    """
    sums, drawn = _sums(np.asarray(values, float), prompts), _draws(prompts)
    counts = np.bincount(prompts).astype(np.float64)
    return _estimate(sums.sum(axis=0) / counts.sum(), (drawn @ sums) / (drawn @ counts)[:, None])


def rank_correlation(first: NDArray, second: NDArray, prompts: NDArray[np.intp]) -> Estimate:
    """Spearman's correlation of two numbers [n] of each token or output, as arrays [1].

    A resample keeps the ranks that its tokens have among all. Not a number where one of the two
    does not vary.
    """
    x, y = (rankdata(values) - (len(values) + 1) / 2 for values in (first, second))
    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)
    sums = _sums(moments, prompts)

    def correlation(totals: NDArray) -> NDArray:
        count, of_x, of_y, of_xx, of_yy, of_xy = np.moveaxis(totals, -1, 0)
        spread = (count * of_xx - of_x**2) * (count * of_yy - of_y**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (count * of_xy - of_x * of_y) / np.sqrt(spread)

    return _estimate(
        correlation(sums.sum(axis=0, keepdims=True)), correlation(_draws(prompts) @ sums)[:, None]
    )


def distance_from_uniform(values: NDArray, prompts: NDArray[np.intp]) -> Estimate:
    """Kolmogorov's distance of the distribution of `values` [n] from U(0, 1), as arrays [1]."""
    atoms, number = np.unique(values, return_inverse=True)
    sums = _sums(number[:, None] == np.arange(len(atoms)), prompts)

    def distance(counts: NDArray) -> NDArray:
        mass = counts / counts.sum(axis=-1, keepdims=True)
        upper = mass.cumsum(axis=-1)
        return np.maximum(upper - atoms, atoms - (upper - mass)).max(axis=-1)

    return _estimate(
        distance(sums.sum(axis=0, keepdims=True)), distance(_draws(prompts) @ sums)[:, None]
    )


def _sums(values: NDArray, prompts: NDArray[np.intp]) -> NDArray[np.float64]:
    """The sum of `values` [n, K] over what belongs to each prompt, [prompts, K]."""
    return np.stack([np.bincount(prompts, weights=column) for column in values.T], axis=1)


def _draws(prompts: NDArray[np.intp]) -> NDArray[np.int64]:
    """How often each resample has each prompt, [RESAMPLES, prompts]."""
    count = 1 + int(prompts.max())
    random = np.random.default_rng(_SEED)
    return random.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)


def _estimate(value: NDArray, resampled: NDArray) -> Estimate:
    tail = (1 - LEVEL) / 2
    return Estimate(value, *np.quantile(resampled, [tail, 1 - tail], axis=0))
