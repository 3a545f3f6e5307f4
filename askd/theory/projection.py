"""The projection of rewards to skewness, Phi(beta r), and the rewards that groups can give it."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from askd.skewness import clip_correct, group_advantages, project

NORMAL = NormalDist()


def slope(r: NDArray, beta: float, step: float = 1e-5) -> NDArray:
    """Derivative of alpha = Phi(beta r) with respect to r, by central differences."""
    return (project(r + step, beta) - project(r - step, beta)) / (2 * step)


def printed_slope(r: NDArray, beta: float) -> NDArray:
    """The derivative as the paper prints it, exp(-beta^2 r^2 / 2) / sqrt(2 pi)."""
    return np.exp(-((beta * r) ** 2) / 2) / math.sqrt(2 * math.pi)


def distance_from_uniform(beta: float, count: int = 2001) -> float:
    """Kolmogorov distance of alpha = Phi(beta r), r standard normal, from the uniform law.

    P(alpha <= Phi(beta r)) = Phi(r), so it is the largest |Phi(r) - Phi(beta r)|.
    """
    levels = np.linspace(0, 1, count)[1:-1]
    r = np.array([NORMAL.inv_cdf(level) for level in levels])
    return float(np.abs(project(r, beta) - levels).max())


def group_alphas(size: int, beta: float) -> dict[int, tuple[NDArray, NDArray]]:
    """By number of right answers in a group of binary rewards: alphas and whether each is right."""
    groups = {}
    for right in range(size + 1):
        correct = np.arange(size) < right
        advantages = group_advantages(correct.astype(float), ["group"] * size)
        groups[right] = (project(advantages, beta), correct)
    return groups


def used_alphas(size: int, beta: float) -> list[float]:
    """alpha of the student outputs that Eq. 13 keeps, by number of right answers in the group.

    They are one number per group, and none where every answer is right.
    """
    used = []
    for alphas, correct in group_alphas(size, beta).values():
        kept = alphas[clip_correct(correct) > 0]
        if kept.size:
            used.append(float(kept.mean()))
            assert np.ptp(kept) == 0
    return used


def law_of_group_alphas(size: int, beta: float, accuracy: float) -> dict[float, float]:
    """Probability of each alpha of an output whose group is right with independent chances."""
    law: Counter[float] = Counter()
    for answers in itertools.product((True, False), repeat=size):
        correct = np.array(answers)
        probability = float(np.where(correct, accuracy, 1 - accuracy).prod())
        advantages = group_advantages(correct.astype(float), ["group"] * size)
        for alpha in project(advantages, beta):
            law[round(float(alpha), 12)] += probability / size
    return dict(sorted(law.items()))


def law_distance_from_uniform(law: dict[float, float]) -> float:
    """Kolmogorov distance of a discrete law from the uniform one."""
    values = np.array(list(law))
    after = np.cumsum(list(law.values()))
    before = after - np.array(list(law.values()))
    return float(max(np.abs(after - values).max(), np.abs(before - values).max()))
