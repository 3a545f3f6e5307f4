"""Rewards to advantages to skewness, and the clip of correct outputs."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askd.skewness import batch_advantages, clip_correct, group_advantages, project


@pytest.mark.parametrize(
    ("correct", "advantages", "alphas"),
    [
        (0, (None, 0.0), (None, 0.5)),
        (1, (1.4997, -0.4999), (0.9332, 0.3086)),
        (2, (0.8659, -0.8659), (0.8067, 0.1933)),
        (3, (0.4999, -1.4997), (0.6914, 0.0668)),
        (4, (0.0, None), (0.5, None)),
    ],
)
def test_group_of_four(correct, advantages, alphas):
    """The few advantages and alphas that binary rewards in groups of four can give.

    A wrong student output gets .5, .31, .19, .07 as its group gets better.
    """
    rewards = [1.0] * correct + [0.0] * (4 - correct)
    advantage = group_advantages(rewards, ["p"] * 4, epsilon=1e-4)
    alpha = project(advantage, beta=1.0)
    for i, reward in enumerate(rewards):
        index = 0 if reward else 1
        assert advantage[i] == pytest.approx(advantages[index], abs=5.1e-5)
        assert alpha[i] == pytest.approx(alphas[index], abs=5.1e-5)


def test_advantage_formula():
    """(r - mean) / (sample std + epsilon), to all digits."""
    advantage = group_advantages([1, 0, 0, 0], [7] * 4, epsilon=1e-4)
    assert advantage == pytest.approx([0.75 / 0.5001] + [-0.25 / 0.5001] * 3, rel=1e-12)
    batch = batch_advantages([1, 2, 3, 6], epsilon=1e-4)
    deviation = np.std([1, 2, 3, 6], ddof=1) + 1e-4
    assert batch == pytest.approx((np.array([1, 2, 3, 6]) - 3) / deviation, rel=1e-12)


def test_groups_in_any_order_and_size():
    """Each group is standardised on its own; a group of one gets zero."""
    rewards = np.array([1.0, 5.0, 0.0, 9.0, 0.0, 7.0])
    groups = np.array(["b", "a", "b", "c", "b", "a"])
    advantage = group_advantages(rewards, groups)
    for label in "ab":
        alone = batch_advantages(rewards[groups == label])
        assert advantage[groups == label] == pytest.approx(alone, rel=1e-12)
    assert advantage[3] == 0


def test_no_spread_no_advantage():
    """Equal rewards, one output, or none."""
    assert np.abs(group_advantages([0.1] * 3, [0] * 3)).max() < 1e-10
    assert np.abs(batch_advantages([0.1] * 3)).max() < 1e-10
    assert batch_advantages([4.2]).tolist() == [0.0]
    assert batch_advantages([]).shape == (0,)
    assert group_advantages([], []).shape == (0,)
    assert project([], beta=1.0).shape == (0,)
    assert clip_correct([]).shape == (0,)


def test_projection_is_the_normal_distribution():
    """Phi, also far out in the lower tail where 1 + erf has no digits left."""
    grid = [-5.0, -1.0, 0.0, 0.3, 4.0]
    assert project(grid, beta=1.0) == pytest.approx([NormalDist().cdf(x) for x in grid], rel=1e-10)
    assert project([-20.0], beta=1.0)[0] == pytest.approx(2.7536241186062337e-89, rel=1e-12, abs=0)


def test_projection_of_normal_rewards_is_uniform():
    """Quantiles of N(0, 1) become equidistant for beta = 1, and only then."""
    uniform = np.arange(1, 20) / 20
    quantiles = [NormalDist().inv_cdf(u) for u in uniform]
    assert project(quantiles, beta=1.0) == pytest.approx(uniform, abs=1e-9)
    assert np.abs(project(quantiles, beta=2.0) - uniform).max() > 0.1


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_slope_of_projection(beta):
    """The derivative is beta phi(beta A); the paper prints it without the factor beta."""
    x, step = 0.4, 1e-5
    low, high = project([x - step, x + step], beta)
    assert (high - low) / (2 * step) == pytest.approx(beta * NormalDist().pdf(beta * x), rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    advantages=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8),
    beta=st.floats(1e-3, 1e3),
)
def test_projection_is_monotone_and_open(advantages, beta):
    """Order is kept, and alpha stays strictly inside (0, 1) where Phi rounds to a bound."""
    alpha = project(sorted(advantages), beta)
    assert (np.diff(alpha) >= 0).all()
    assert ((alpha > 0) & (alpha < 1)).all()


def test_projection_is_symmetric():
    """alpha(-A) = 1 - alpha(A), and zero advantage is one half."""
    grid = np.linspace(-3, 3, 13)
    assert project(grid, beta=0.7) == pytest.approx(1 - project(-grid, beta=0.7), rel=1e-12)
    assert project([0.0], beta=5.0).tolist() == [0.5]


def test_correct_outputs_are_clipped():
    """kappa is 0 on correct, 1 on wrong outputs."""
    assert clip_correct([True, False, True]).tolist() == [0.0, 1.0, 0.0]
    assert clip_correct(np.array([False])).tolist() == [1.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rewards_that_are_not_finite(bad):
    """One error that names the first bad index."""
    rewards = [1.0, 0.0, bad, bad]
    with pytest.raises(ValueError, match=r"rewards\[2\] is -?(nan|inf)"):
        group_advantages(rewards, [0, 0, 1, 1])
    with pytest.raises(ValueError, match=r"rewards\[2\]"):
        batch_advantages(rewards)
    with pytest.raises(ValueError, match=r"advantages\[2\]"):
        project(rewards, beta=1.0)


def test_bad_arguments():
    """One clear error each."""
    with pytest.raises(ValueError, match="one label per reward"):
        group_advantages([1, 2], [0])
    with pytest.raises(ValueError, match="vector"):
        batch_advantages([[1.0, 2.0]])
    for epsilon in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="epsilon must be positive"):
            batch_advantages([1.0, 2.0], epsilon=epsilon)
    for beta in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="beta must be positive"):
            project([0.0], beta=beta)
    for correct in ([1.0, 0.0], [True, None], [[True]]):
        with pytest.raises(ValueError, match="vector of booleans"):
            clip_correct(correct)


def test_the_population_formula_would_spread_groups_further():
    """One right answer among four; docs/paper-notes.md quotes both numbers."""
    rewards = np.array([1.0, 0.0, 0.0, 0.0])
    population = (rewards - rewards.mean()) / rewards.std()
    assert project(population, beta=1.0)[0] == pytest.approx(0.958, abs=5e-4)
    assert project(group_advantages(rewards, [0] * 4), beta=1.0)[0] == pytest.approx(
        0.933, abs=5e-4
    )
