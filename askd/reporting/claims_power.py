"""How many training seeds would resolve a difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri, stdtrit

MOST_SEEDS = 1000
MORE_ITEMS = "more items"
POWER = 0.8
LEVEL = 0.05


def components(differences: Sequence[np.ndarray]) -> tuple[float, float]:
    """Variances of the mean over benchmarks, of differences[S >= 2, I] each: of one seed, of items.

    As in `askd.evaluation.stats`, with S seeds Var(mean) = seed / S + items. The first includes the
    residual, which falls with the seeds too; the second is what no number of seeds takes away.
    """
    seeds = len(differences[0])
    seed = float(np.mean([block.mean(axis=1) for block in differences], axis=0).var(ddof=1))
    items = 0.0
    for block in differences:
        count = block.shape[1]
        centred = block - block.mean(axis=0) - block.mean(axis=1, keepdims=True) + block.mean()
        residual = (centred**2).sum() / (seeds - 1) / (count - 1)
        spread = block.mean(axis=0).var(ddof=1) - residual / seeds
        items += max(spread, 0.0) / count / len(differences) ** 2
    return seed, items


def seeds_needed(differences: Sequence[np.ndarray], effect: float) -> str:
    """Seeds at which an `effect` (a fraction) is resolved: two-sided 5 %, power 80 %.

    The fewest S with

        |effect| >= (t(0.975) + t(0.8)) sqrt(seed / S + items)

    and Satterthwaite's degrees of freedom, on the items at hand; `more items` where no S suffices,
    and nothing where both systems have one run, which tells nothing of the spread over seeds.
    """
    if len(differences[0]) < 2:
        return ""
    seed, items = components(differences)
    if effect**2 <= (ndtri(1 - LEVEL / 2) + ndtri(POWER)) ** 2 * items or effect == 0:
        return MORE_ITEMS
    if seed + items == 0:
        return "2"
    seeds = np.arange(2, MOST_SEEDS + 1)
    item_freedom = min(block.shape[1] for block in differences) - 1
    variance = seed / seeds + items
    satterthwaite = variance**2 / ((seed / seeds) ** 2 / (seeds - 1) + items**2 / item_freedom)
    freedom = np.maximum(satterthwaite, seeds - 1)
    quantiles = stdtrit(freedom, 1 - LEVEL / 2) + stdtrit(freedom, POWER)
    enough = np.flatnonzero(effect**2 >= quantiles**2 * variance)
    return str(seeds[enough[0]]) if enough.size else f"over {MOST_SEEDS}"
