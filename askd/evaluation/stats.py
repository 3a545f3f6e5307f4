"""Intervals and paired tests for outcomes over training seeds and benchmark items.

Outcomes are a matrix x[seed, item] with values in 0 to 1: an item's value is the mean over its
samples. Both seeds and items are draws from larger populations, and every seed answers every item,
so the variance of the mean is estimated from the two-way layout without replicates,

    Var(mean) = MS_seed / (S I) + (MS_item - MS_residual) / (S I),

with the part of the items taken as zero where it comes out negative. Quantiles are those of
Student's t with Satterthwaite's degrees of freedom, at least S - 1. The interval is Wilson's score
interval at the effective sample size mean (1 - mean) / Var(mean), so that it stays within 0 to 1
(Franco, Little, Louis and Slud, 2019, https://pmc.ncbi.nlm.nih.gov/articles/PMC6690503).
Differences lie in -1 to 1 and are treated as the proportion (1 + difference) / 2; their p-value
is the level at which the interval just touches zero.

With one seed, intervals and tests cover items only, and where no variance has to be estimated none
is: the share of items that are answered right, one answer each, has Wilson's interval itself. Two
systems of one seed are compared by the tests of `askd.evaluation.item_tests`, which hold their
level however few items differ: McNemar's for such answers, and random signs for all other rewards
and for averages over benchmarks.

Not covered: the spread over training data, and more than two levels (items that share a passage).

A two-level percentile bootstrap (n - 1 out of n seeds, all items) was measured beside this and is
worse: it counts the residual about three times (Owen, 2007, doi:10.1214/07-AOAS122), so that it
covers 97 to 100 % where seeds hardly differ, and down to 88 % with three seeds that do differ.
`interval` states the coverage of the method here; tests/evaluation/test_stats_coverage.py measures
it again at some of the settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from askd.evaluation.item_tests import mcnemar, sign_flips

SMALLEST_P = 1e-6
"""No smaller p-value is reported: so far out in the tail the approximation means nothing."""

_ROUNDING = 1e-18
"""A variance below this is rounding error; one differing sample gives at least some 1e-12."""


class Interval(NamedTuple):
    """A mean of outcomes, as a fraction, and its confidence limits."""

    mean: float
    ci_low: float
    ci_high: float


class Difference(NamedTuple):
    """A difference of two means, as a fraction, its confidence limits and two-sided p-value."""

    difference: float
    ci_low: float
    ci_high: float
    p_value: float


class _Estimate(NamedTuple):
    mean: float
    variance: float
    degrees_of_freedom: float
    items: int


def interval(outcomes: np.ndarray, level: float = 0.95) -> Interval:
    """The mean of outcomes[S, I] with a confidence interval over seeds and items.

    Measured coverage of the 95 % interval, for correct or not (and means of 4 samples) with normal
    seed, item and residual effects on the logit, I = 200, means of 0.5 to 0.993, 4000 repetitions
    each: 94.2 to 96.0 % with 1 seed (over items), 91.5 to 98.7 % with 3 seeds (median of the
    settings 94.6 %; lowest where seeds and items both differ much), and 93.6 to 96.3 % with 10.
    Of one seed and one answer per item it is Wilson's.

    Raises:
        ValueError: not a matrix of at least 1 seed and 2 items, or a value outside 0 to 1.
    """
    return average_interval([outcomes], level)


def average_interval(outcomes: Sequence[np.ndarray], level: float = 0.95) -> Interval:
    """The unweighted mean over benchmarks, of outcomes[S, I] each, with a confidence interval.

    Seeds are shared by the benchmarks; items belong to one benchmark each, and their number may
    differ. Raises as `interval`, and where the numbers of seeds differ.
    """
    blocks = _checked(outcomes)
    estimate = _share(blocks[0]) if _is_one_answer_per_item(blocks) else _estimate(blocks)
    low, high = _limits(estimate, level, lowest=0.0)
    return Interval(estimate.mean, low, high)


def paired_difference(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Difference:
    """The mean of a[S, I] minus that of b[S, I], on the same items in the same order.

    Seeds are paired as well, for methods share the teacher's outputs and the data order of a seed.
    A system with one seed, such as the student before distillation, is compared with every seed of
    the other. The p-value is two-sided and never below SMALLEST_P. With several seeds it is below
    1 - `level` exactly where the interval excludes zero; with one seed it is that of a test of its
    own, and the two may disagree at the border.

    Measured coverage of the 95 % interval, as for `interval`, 3000 repetitions each: 93.4 to 95.6 %
    with 1 seed, but 89.5 % where only some seven items differ at all; 92.4 to 96.4 % with 3 seeds
    and 93.7 to 95.7 % with 10. So with 3 seeds up to 7.6 % of true nulls have p < 0.05; with 1
    seed and right or wrong answers at most 5 % have.

    Raises:
        ValueError: as `interval`, or the numbers of items, or of seeds above one, differ.
    """
    return average_paired_difference([a], [b], level)


def average_paired_difference(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], level: float = 0.95
) -> Difference:
    """`paired_difference` for the unweighted means over benchmarks, of outcomes[S, I] each."""
    a, b = _checked(a), _checked(b)
    blocks = []
    for first, second in zip(a, b, strict=True):
        if first.shape[1] != second.shape[1]:
            raise ValueError(f"outcomes are not paired: shapes {first.shape} and {second.shape}")
        blocks.append(np.subtract(*np.broadcast_arrays(first, second)))
    estimate = _estimate(blocks)
    low, high = _limits(estimate, level, lowest=-1.0)
    if len(blocks[0]) > 1:
        p_value = _p_value(estimate)
    elif _is_one_answer_per_item(a) and _is_one_answer_per_item(b):
        p_value = mcnemar(a[0][0], b[0][0])
    else:
        p_value = sign_flips([block[0] for block in blocks])
    return Difference(estimate.mean, low, high, float(np.clip(p_value, SMALLEST_P, 1.0)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment of a family's p-values, in the given order (Holm, 1979)."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return adjusted.tolist()


def _checked(outcomes: Sequence[np.ndarray]) -> list[np.ndarray]:
    blocks = [np.asarray(block, dtype=float) for block in outcomes]
    if not blocks:
        raise ValueError("no outcomes")
    for block in blocks:
        if block.ndim != 2 or block.shape[0] < 1 or block.shape[1] < 2:
            raise ValueError(f"outcomes need shape [S >= 1, I >= 2], not {block.shape}")
        if not ((block >= 0) & (block <= 1)).all():
            raise ValueError("outcomes have to lie in 0 to 1")
        if len(block) != len(blocks[0]):
            raise ValueError("benchmarks need the same number of seeds")
    return blocks


def _is_one_answer_per_item(blocks: list[np.ndarray]) -> bool:
    """Whether these are right or wrong answers of one seed to one benchmark."""
    return len(blocks) == len(blocks[0]) == 1 and bool(np.isin(blocks[0], (0, 1)).all())


def _share(block: np.ndarray) -> _Estimate:
    """The binomial variance, with which the limits are Wilson's."""
    mean, items = float(block.mean()), block.shape[1]
    return _Estimate(mean, mean * (1 - mean) / items, np.inf, items)


def _estimate(blocks: list[np.ndarray]) -> _Estimate:
    """Mean, variance of the mean and its degrees of freedom, for the mean over `blocks`."""
    seeds = len(blocks[0])
    # Each part is a term of the variance of the mean and its degrees of freedom.
    parts: list[tuple[float, int]] = []
    residuals: list[tuple[float, int]] = []
    if seeds > 1:
        seed_means = np.mean([block.mean(axis=1) for block in blocks], axis=0)
        parts.append((seed_means.var(ddof=1) / seeds, seeds - 1))
    for block in blocks:
        items = block.shape[1]
        scale = 1 / (items * len(blocks) ** 2)
        item_part = scale * block.mean(axis=0).var(ddof=1)
        residual_part = 0.0
        if seeds > 1:
            centred = block - block.mean(axis=0) - block.mean(axis=1, keepdims=True) + block.mean()
            residual_freedom = (seeds - 1) * (items - 1)
            residual_part = scale / seeds * (centred**2).sum() / residual_freedom
            residuals.append((residual_part, residual_freedom))
        if item_part > residual_part:
            parts.append((item_part, items - 1))
            if seeds > 1:
                parts.append((-residual_part, residual_freedom))
    variance = sum(part for part, _ in parts)
    if variance < _ROUNDING:
        # Seeds that agree by chance and items that do not differ: only the residual is left.
        parts = residuals
        variance = sum(part for part, _ in parts)
    if variance < _ROUNDING:
        variance, freedom = 0.0, np.inf
    else:
        freedom = max(variance**2 / sum(part**2 / free for part, free in parts), seeds - 1)
    mean = float(np.mean([block.mean() for block in blocks]))
    # The benchmark with the fewest items limits what an average without any variation can tell.
    items = len(blocks) * min(block.shape[1] for block in blocks)
    return _Estimate(mean, float(variance), float(freedom), items)


def _limits(estimate: _Estimate, level: float, lowest: float) -> tuple[float, float]:
    """Confidence limits of a mean that lies in `lowest` to 1."""
    upper = (1 + level) / 2
    if estimate.variance == 0:
        # Wilson's limit for a share of items with another value, of which none was seen; such an
        # item can be as far off as the ends. For outcomes of all 0 or all 1 this is Wilson's
        # interval.
        unseen = ndtri(upper) ** 2 / (estimate.items + ndtri(upper) ** 2)
        seen = (1 - unseen) * estimate.mean
        return float(seen + unseen * lowest), float(seen + unseen)
    width = 1 - lowest
    share = (estimate.mean - lowest) / width
    size = share * (1 - share) * width**2 / estimate.variance
    shrinkage = stdtrit(estimate.degrees_of_freedom, upper) ** 2 / size
    centre = (share + shrinkage / 2) / (1 + shrinkage)
    half = np.sqrt(shrinkage * (share * (1 - share) + shrinkage / 4)) / (1 + shrinkage)
    return float(lowest + width * (centre - half)), float(lowest + width * (centre + half))


def _p_value(estimate: _Estimate) -> float:
    """The level at which the limits of a difference just touch zero."""
    if estimate.variance == 0:
        tail = ndtr(-np.sqrt(estimate.items * abs(estimate.mean)))
    else:
        size = (1 - estimate.mean**2) / estimate.variance
        tail = stdtr(estimate.degrees_of_freedom, -abs(estimate.mean) * np.sqrt(size))
    return float(2 * tail)
