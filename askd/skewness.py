"""Quality into skewness: rewards -> advantages -> alpha, and the clip of correct student outputs.

Needs numpy only, so that the project stage starts without torch. n outputs; one number each.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def group_advantages(
    rewards: ArrayLike, groups: ArrayLike, epsilon: float = 1e-4
) -> NDArray[np.float64]:
    """Advantage of each output within the group of outputs to its prompt, as in GRPO.

    (r - mean) / (std + epsilon), with the sample standard deviation (ddof = 1), as TRL and verl.
    With G outputs |A| < (G - 1)/sqrt(G). A group of one, or of equal rewards, gets 0.

    Args:
        rewards: reward of each output, [n].
        groups: label of each output's group, such as its prompt_id; any sortable type, in any
            order, [n].
        epsilon: added to the standard deviation, in units of reward; positive.

    Returns:
        Advantages, [n].

    Raises:
        ValueError: if a reward is not finite, the lengths differ, or epsilon is not positive.
    """
    rewards = _finite_vector("rewards", rewards)
    groups = np.asarray(groups)
    if groups.shape != rewards.shape:
        raise ValueError(
            f"groups must have one label per reward: got {groups.shape} for {rewards.shape}"
        )
    _, members = np.unique(groups, return_inverse=True)
    return _standardize(rewards, members, epsilon)


def batch_advantages(rewards: ArrayLike, epsilon: float = 1e-4) -> NDArray[np.float64]:
    """Advantage of each output within the whole rollout set, in the manner of REINFORCE++.

    (r - mean) / (std + epsilon) with the sample standard deviation (ddof = 1). Moments weigh each
    output once; REINFORCE++ implementations weigh each token once, so that long outputs count
    more, which makes no sense for a skewness that is one number per output.

    Args:
        rewards: reward of each output, [n].
        epsilon: added to the standard deviation, in units of reward; positive.

    Returns:
        Advantages, [n]; 0 for a single output.

    Raises:
        ValueError: if a reward is not finite or epsilon is not positive.
    """
    rewards = _finite_vector("rewards", rewards)
    return _standardize(rewards, np.zeros(len(rewards), dtype=np.intp), epsilon)


def project(advantages: ArrayLike, beta: float) -> NDArray[np.float64]:
    """Skewness alpha = Phi(beta A), the standard normal distribution function; paper Eq. 12.

    Strictly inside (0, 1) also where Phi rounds to a bound. alpha is the weight of the student in
    the mixture: high quality means more pull on teacher outputs, less push on student outputs.

    Args:
        advantages: standardised rewards, [n].
        beta: steepness, positive; the paper does not state its value.

    Returns:
        alpha, [n].

    Raises:
        ValueError: if an advantage is not finite or beta is not positive and finite.
    """
    if not (beta > 0 and math.isfinite(beta)):
        raise ValueError(f"beta must be positive and finite, got {beta}")
    scaled = beta * _finite_vector("advantages", advantages)
    # erfc keeps all digits of the lower tail; (1 + erf) / 2 would round it to zero at -8.3.
    alpha = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in scaled], dtype=np.float64)
    limits = np.finfo(np.float64)
    return np.clip(alpha, limits.tiny, 1 - limits.epsneg)


def clip_correct(correct: ArrayLike) -> NDArray[np.float64]:
    """Weight kappa of each student output: 0 if its answer is correct, else 1; paper Eq. 13.

    Args:
        correct: whether each output is correct, booleans [n]. What correct means for a graded
            reward is the grader's decision, so numbers are refused.

    Returns:
        kappa, [n].

    Raises:
        ValueError: if `correct` is not a vector of booleans.
    """
    correct = np.asarray(correct)
    if correct.ndim != 1 or (correct.size and correct.dtype != np.bool_):
        raise ValueError(
            f"correct must be a vector of booleans, got {correct.dtype} {correct.shape}"
        )
    return np.where(correct, 0.0, 1.0)


def _standardize(
    rewards: NDArray[np.float64], members: NDArray[np.intp], epsilon: float
) -> NDArray[np.float64]:
    """(r - mean) / (sample std + epsilon) within each group; `members` numbers the groups."""
    if not epsilon > 0:
        raise ValueError(f"epsilon must be positive, got {epsilon}")
    sizes = np.bincount(members)
    deviations = rewards - (np.bincount(members, weights=rewards) / sizes)[members]
    squares = np.bincount(members, weights=deviations**2)
    deviation = np.sqrt(squares / np.maximum(sizes - 1, 1))
    return deviations / (deviation[members] + epsilon)


def _finite_vector(name: str, values: ArrayLike) -> NDArray[np.float64]:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"{name} must be a vector [n], got shape {vector.shape}")
    bad = np.flatnonzero(~np.isfinite(vector))
    if bad.size:
        raise ValueError(
            f"{name}[{bad[0]}] is {vector[bad[0]]}: all {name} must be finite "
            f"({bad.size} of {vector.size} are not)"
        )
    return vector
