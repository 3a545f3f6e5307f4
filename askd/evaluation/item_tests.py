"""Paired tests of two systems over the items of benchmarks, for one seed each.

Both turn on one null hypothesis: an item's difference is as likely to have the other sign. They
hold their level for any number of items. Where an item has one answer, right or wrong, the null
distribution is a binomial one, and McNemar's test is the exact form of the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr

RESAMPLES = 9999
_CHUNK = 1000


def mcnemar(a: np.ndarray, b: np.ndarray) -> float:
    """McNemar's exact two-sided p-value for answers a[I] and b[I] of 0 or 1, on the same items.

    Among the items that only one system answers right, either is as likely to be the one: p is
    twice the lower tail of the binomial distribution with probability 1/2.
    """
    only_a, only_b = int(np.sum(a > b)), int(np.sum(b > a))
    return float(min(1.0, 2 * bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def sign_flips(differences: Sequence[np.ndarray], resamples: int = RESAMPLES) -> float:
    """Two-sided p-value of the unweighted mean over benchmarks, of differences[I] each.

    The share of random signs of all items that bring the mean as far from zero as it is, with the
    signs as they are among them: never below 1 / (resamples + 1). Equal inputs give
    equal values, in any order of the items.
    """
    parts = np.concatenate([block / len(block) for block in differences])
    observed = abs(parts.sum()) * (1 - 1e-12)  # sums in another order are equal up to rounding
    # Random signs make the true ones irrelevant; sorted, the order of the items is so too.
    sizes = np.sort(np.abs(parts[parts != 0]))
    random = np.random.default_rng(0)
    extreme = 0
    for start in range(0, resamples, _CHUNK):
        signs = random.choice((-1.0, 1.0), (min(_CHUNK, resamples - start), len(sizes)))
        extreme += int(np.sum(np.abs(signs @ sizes) >= observed))
    return (1 + extreme) / (1 + resamples)
