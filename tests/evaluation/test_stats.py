"""Intervals and paired tests: closed forms, pairing, invariances, and degenerate outcomes."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from askd.evaluation.stats import (
    SMALLEST_P,
    average_interval,
    average_paired_difference,
    holm,
    interval,
    paired_difference,
)
from askd.evaluation.stats import _estimate as estimate

ITEMS = 200


def logistic(logits):
    return 1 / (1 + np.exp(-logits))


def binary_outcomes(random, seeds, seed_effects, centre=1.0, items=ITEMS, item_effects=None):
    item_effects = 1.5 * random.standard_normal(items) if item_effects is None else item_effects
    logits = centre + seed_effects * random.standard_normal((seeds, 1)) + item_effects
    return (random.random((seeds, items)) < logistic(logits)).astype(float)


def two_way(random, seeds, items, seed_effect, item_effect, residual):
    """Normal random effects around 0.5, small enough to lie in 0 to 1."""
    return (
        0.5
        + seed_effect * random.standard_normal((seeds, 1))
        + item_effect * random.standard_normal(items)
        + residual * random.standard_normal((seeds, items))
    )


# --- closed forms --------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("value", [0, 1])
def test_outcomes_that_are_all_alike_have_wilsons_interval(seeds, value):
    result = interval(np.full((seeds, 50), value))
    exact = scipy.stats.binomtest(50 * value, 50).proportion_ci(method="wilson")
    assert result.mean == value
    assert result[1:] == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_one_seed_of_right_and_wrong_is_close_to_wilsons_interval():
    outcomes = np.repeat([1.0, 0.0], [370, 30])[None]
    result = interval(outcomes)
    exact = scipy.stats.binomtest(370, 400).proportion_ci(method="wilson")
    assert result[1:] == pytest.approx((exact.low, exact.high), abs=3e-4)


def test_interval_of_two_seeds_by_hand():
    # Seed means 1/4 and 3/4 differ, so MS_seed / (S I) = 1/16; the columns are equal in the mean
    # of two and the others spread by 1/6 with residual 1/6: nothing is left for the items.
    outcomes = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    result = estimate([outcomes])
    item_mean_square = 2 * np.var([1, 0.5, 0.5, 0], ddof=1)
    residual_mean_square = ((0.25**2) * 8 - 0.0) / 3
    assert item_mean_square == pytest.approx(1 / 3)
    assert residual_mean_square == pytest.approx(1 / 6)
    parts = [(1 / 16, 1), (1 / 3 / 8, 3), (-1 / 6 / 8, 3)]
    assert result.mean == 0.5
    assert result.variance == pytest.approx(sum(part for part, _ in parts))
    expected = result.variance**2 / sum(part**2 / freedom for part, freedom in parts)
    assert result.degrees_of_freedom == pytest.approx(max(expected, 1))


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_variance_is_unbiased(seeds):
    random = np.random.default_rng(1)
    items, effects = 40, (0.02, 0.10, 0.10)
    draws = [two_way(random, seeds, items, *effects) for _ in range(4000)]
    expected = np.square(effects) @ [1 / seeds, 1 / items, 1 / (seeds * items)]
    assert np.var([draw.mean() for draw in draws]) == pytest.approx(expected, rel=0.08)
    assert np.mean([estimate([draw]).variance for draw in draws]) == pytest.approx(
        expected, rel=0.05
    )


def test_seeds_bound_the_variance_and_its_degrees_of_freedom_from_below():
    random = np.random.default_rng(2)
    for _ in range(500):
        # Equally hard items: their part of the variance is as often negative as positive.
        outcomes = binary_outcomes(random, 3, 0.1, 1.0, 30, np.zeros(30))
        result = estimate([outcomes])
        assert result.degrees_of_freedom >= 2
        assert result.variance >= (1 - 1e-12) * outcomes.mean(axis=1).var(ddof=1) / 3


def test_level_widens_the_interval_as_the_quantile_does():
    outcomes = np.tile([0.4, 0.6], 500)[None]
    narrow, wide = interval(outcomes, level=0.8), interval(outcomes, level=0.99)
    ratio = (wide.ci_high - wide.ci_low) / (narrow.ci_high - narrow.ci_low)
    expected = scipy.stats.t.ppf(0.995, 999) / scipy.stats.t.ppf(0.9, 999)
    assert ratio == pytest.approx(expected, rel=1e-3)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


# --- pairing and averages ------------------------------------------------------------------------


def test_pairing_makes_the_interval_narrower():
    random = np.random.default_rng(7)
    items = 3 * random.standard_normal(ITEMS)
    a = binary_outcomes(random, 1, 0.0, 1.0, ITEMS, items)
    b = binary_outcomes(random, 1, 0.0, 0.0, ITEMS, items)
    paired = paired_difference(a, b)
    shuffled = paired_difference(a, b[:, random.permutation(ITEMS)])
    assert paired.difference == pytest.approx(shuffled.difference)
    assert paired.ci_high - paired.ci_low < 0.8 * (shuffled.ci_high - shuffled.ci_low)


def test_seeds_are_paired():
    random = np.random.default_rng(8)
    seed_means = np.array([[0.2], [0.5], [0.8]])
    a = (random.random((3, ITEMS)) < seed_means + 0.05).astype(float)
    b = (random.random((3, ITEMS)) < seed_means - 0.05).astype(float)
    paired, crossed = paired_difference(a, b), paired_difference(a, b[::-1])
    assert paired.ci_high - paired.ci_low < 0.5 * (crossed.ci_high - crossed.ci_low)


def test_a_system_with_one_seed_is_compared_with_every_seed():
    random = np.random.default_rng(9)
    one, three = binary_outcomes(random, 1, 0.0), binary_outcomes(random, 3, 0.2)
    assert paired_difference(one, three) == paired_difference(np.repeat(one, 3, axis=0), three)
    assert paired_difference(three, one).difference == pytest.approx(three.mean() - one.mean())


def test_average_weighs_benchmarks_equally_and_shares_seeds():
    random = np.random.default_rng(10)
    small, large = binary_outcomes(random, 3, 0.0, 0.0, 50), binary_outcomes(random, 3, 0.0, 2.0)
    assert average_interval([small, large]).mean == pytest.approx((small.mean() + large.mean()) / 2)
    assert average_interval([small]) == interval(small)

    levels = np.array([[0.2], [0.5], [0.8]])
    first = (random.random((3, ITEMS)) < levels).astype(float)
    second = (random.random((3, ITEMS)) < levels).astype(float)
    together, opposed = average_interval([first, second]), average_interval([first, second[::-1]])
    assert opposed.ci_high - opposed.ci_low < 0.5 * (together.ci_high - together.ci_low)


def test_average_of_differences_is_the_difference_of_averages():
    random = np.random.default_rng(11)
    a = [binary_outcomes(random, 3, 0.2, 1.0, items) for items in (50, 80)]
    b = [binary_outcomes(random, 3, 0.2, 0.5, items) for items in (50, 80)]
    result = average_paired_difference(a, b)
    expected = average_interval(a).mean - average_interval(b).mean
    assert result.difference == pytest.approx(expected)


# --- invariances ---------------------------------------------------------------------------------

outcome_matrices = arrays(
    float,
    st.tuples(st.integers(1, 4), st.integers(2, 12)),
    elements=st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 1.0]),
)


@given(outcome_matrices)
def test_interval_holds_its_mean_and_stays_in_range(outcomes):
    result = interval(outcomes)
    assert -1e-12 <= result.ci_low <= result.mean + 1e-12
    assert result.mean - 1e-12 <= result.ci_high <= 1 + 1e-12
    assert result.ci_high - result.ci_low > 1e-3


@given(outcome_matrices, st.integers(0, 2**32 - 1))
def test_differences_turn_with_their_sign_and_ignore_the_order_of_items(a, seed):
    random = np.random.default_rng(seed)
    b = random.integers(0, 2, a.shape).astype(float)
    result, turned = paired_difference(a, b), paired_difference(b, a)
    assert turned.difference == pytest.approx(-result.difference)
    assert (turned.ci_low, turned.ci_high) == pytest.approx((-result.ci_high, -result.ci_low))
    assert turned.p_value == pytest.approx(result.p_value)
    order = random.permutation(a.shape[1])
    assert paired_difference(a[:, order], b[:, order]) == pytest.approx(result)


@given(outcome_matrices.filter(lambda a: len(a) > 1), st.integers(0, 2**32 - 1))
def test_p_value_of_several_seeds_agrees_with_the_interval(a, seed):
    b = np.random.default_rng(seed).integers(0, 2, a.shape).astype(float)
    p_value = paired_difference(a, b).p_value
    assert SMALLEST_P <= p_value <= 1
    if SMALLEST_P < p_value < 1 - 1e-6:
        result = paired_difference(a, b, level=1 - p_value)
        touching = result.ci_low if result.difference > 0 else result.ci_high
        assert touching == pytest.approx(0, abs=1e-6)


def test_equal_inputs_give_equal_bits():
    outcomes = binary_outcomes(np.random.default_rng(12), 3, 0.2)
    assert interval(outcomes) == interval(outcomes.copy())


# --- degenerate outcomes -------------------------------------------------------------------------


def test_equal_answers_do_not_differ_but_are_not_known_to_be_equal():
    outcomes = binary_outcomes(np.random.default_rng(13), 3, 0.0)
    result = paired_difference(outcomes, outcomes)
    unseen = scipy.stats.binomtest(0, ITEMS).proportion_ci(method="wilson").high
    assert (result.difference, result.p_value) == (0, 1)
    assert (result.ci_low, result.ci_high) == pytest.approx((-unseen, unseen))


def test_always_right_against_always_wrong():
    result = paired_difference(np.ones((3, ITEMS)), np.zeros((1, ITEMS)))
    assert result.difference == 1
    assert result.p_value == SMALLEST_P
    assert 0.95 < result.ci_low < 1 and result.ci_high == 1


def test_p_value_of_a_constant_difference_agrees_with_its_interval():
    a, b = np.full((2, 5), 0.75), np.full((2, 5), 0.5)
    result = paired_difference(a, b)
    assert paired_difference(a, b, level=1 - result.p_value).ci_low == pytest.approx(0)


def test_seeds_that_agree_by_chance_leave_the_residual():
    # All seeds and all items have the mean 1/3, yet the answers vary.
    result = estimate([np.eye(3)])
    assert result.variance == pytest.approx(np.sum((np.eye(3) - 1 / 3) ** 2) / 4 / 9)
    assert result.degrees_of_freedom == pytest.approx(4)


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        (np.zeros(5), "shape"),
        (np.zeros((0, 5)), "shape"),
        (np.zeros((3, 1)), "shape"),
        (np.full((1, 5), 1.5), "0 to 1"),
        (np.full((1, 5), np.nan), "0 to 1"),
    ],
)
def test_outcomes_that_are_none_are_refused(outcomes, message):
    with pytest.raises(ValueError, match=message):
        interval(outcomes)


def test_outcomes_that_are_not_paired_are_refused():
    with pytest.raises(ValueError, match="not paired"):
        paired_difference(np.zeros((1, 5)), np.zeros((1, 6)))
    with pytest.raises(ValueError):
        paired_difference(np.zeros((2, 5)), np.zeros((3, 5)))
    with pytest.raises(ValueError, match="number of seeds"):
        average_interval([np.zeros((2, 5)), np.zeros((3, 5))])
    with pytest.raises(ValueError):
        average_paired_difference([np.zeros((2, 5))], [])
    with pytest.raises(ValueError, match="no outcomes"):
        average_interval([])
