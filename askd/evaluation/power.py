"""Which differences a number of training seeds and items can resolve, and how many it would take.

The variance of a mean difference over S seeds and, for a benchmark, I items is

    Var(mean) = seed / S + (items + residual / S) / k

where k is the number of items in units of I. Its parts are those of `askd.evaluation.stats`, which
makes the intervals. A difference is resolved at 95 % where its interval excludes zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

MOST_SEEDS = 1000
MORE_ITEMS = "more items"
MORE_SEEDS = "more seeds"
POWER = 0.8
LEVEL = 0.05


class Components(NamedTuple):
    """Parts of the variance of the mean of differences, with the items at hand.

    Attributes:
        seed: variance over seeds of the mean of one seed, with the residual of its items; divided
            by the number of seeds it is a part of the variance of the mean.
        items: what no number of seeds takes away.
        residual: the part of `seed` that falls with the number of items too.
    """

    seed: float
    items: float
    residual: float


def components(differences: Sequence[np.ndarray]) -> Components:
    """Those of the unweighted mean over benchmarks, of differences[S >= 2, I] each."""
    seeds = len(differences[0])
    seed = float(np.mean([block.mean(axis=1) for block in differences], axis=0).var(ddof=1))
    items = residual = 0.0
    for block in differences:
        count = block.shape[1]
        scale = 1 / count / len(differences) ** 2
        centred = block - block.mean(axis=0) - block.mean(axis=1, keepdims=True) + block.mean()
        spread = (centred**2).sum() / (seeds - 1) / (count - 1)
        items += scale * max(block.mean(axis=0).var(ddof=1) - spread / seeds, 0.0)
        residual += scale * spread
    return Components(seed, items, min(residual, seed))


def seeds_needed(differences: Sequence[np.ndarray], effect: float) -> str:
    """Seeds at which an `effect` (a fraction) is resolved: two-sided 5 %, power 80 %.

    The fewest S with

        |effect| >= (t(0.975) + t(0.8)) sqrt(seed / S + items)

    and Satterthwaite's degrees of freedom, on the items at hand; `more items` where no S suffices,
    and nothing where both systems have one run, which tells nothing of the spread over seeds.
    """
    if len(differences[0]) < 2:
        return ""
    seed, items, _ = components(differences)
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


def items_needed(differences: Sequence[np.ndarray], effect: float) -> str:
    """Items of each benchmark at which `effect` is resolved with power 80 %, at the seeds at hand.

    With the normal quantiles that many items have, and t's of S - 1 degrees of freedom for the part
    of the seeds alone; `more seeds` where no number of items suffices. Benchmarks are taken to grow
    by one factor, and the number is that of the smallest; nothing where both systems have one run.
    """
    seeds = len(differences[0])
    if seeds < 2:
        return ""
    seed, items, residual = components(differences)
    lasting = (seed - residual) / seeds
    quantile = stdtrit(seeds - 1, 1 - LEVEL / 2) + stdtrit(seeds - 1, POWER)
    room = effect**2 / quantile**2 - lasting
    if room <= 0:
        return MORE_SEEDS
    count = min(block.shape[1] for block in differences)
    return str(max(int(np.ceil(count * (items + residual / seeds) / room)), 2))
