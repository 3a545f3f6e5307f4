"""Intervals over prompts: outputs to one prompt are alike, and tokens of one output even more so.

Prompts are drawn with replacement, together with all that belongs to them (a cluster bootstrap);
the interval is the percentile interval. Where every prompt says the same, as for a share of 1, it
has no width: it says how much prompts differ, not how sure a rare exception is to be absent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    counts = np.bincount(prompts).astype(np.float64)
    sums = np.stack(
        [np.bincount(prompts, weights=column) for column in np.asarray(values, float).T], axis=1
    )
    drawn = np.random.default_rng(_SEED).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), size=RESAMPLES
    )
    resampled = (drawn @ sums) / (drawn @ counts)[:, None]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return Estimate(sums.sum(axis=0) / counts.sum(), low, high)
