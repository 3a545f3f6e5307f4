"""Seeds and items that a difference needs, against the variance behind the intervals."""

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import norm, t

from askd.evaluation import stats
from askd.evaluation.power import (
    MORE_ITEMS,
    MORE_SEEDS,
    components,
    items_needed,
    seeds_needed,
)


def differences(seeds=5, items=400, seed_spread=0.02, item_spread=0.1, noise=0.3, mean=0.02):
    random = np.random.default_rng(7)
    return (
        mean
        + seed_spread * random.standard_normal((seeds, 1))
        + item_spread * random.standard_normal((1, items))
        + noise * random.standard_normal((seeds, items))
    )


def test_components_are_those_of_the_intervals():
    blocks = [differences(items=400), differences(items=100)]
    seed, items, _ = components(blocks)
    assert seed / 5 + items == pytest.approx(stats._estimate(blocks).variance)
    assert items > 0


@pytest.mark.parametrize(("effect", "expected"), [(1.0, 10), (0.5, 34), (0.25, 128)])
def test_seeds_by_hand_where_seeds_alone_differ(effect, expected):
    """The textbook's paired t-test: effects in standard deviations, S - 1 degrees of freedom."""
    spread = 0.05
    blocks = [np.repeat([[-spread], [0.0], [spread]], 4, axis=1)]

    def resolves(seeds):
        quantiles = t.ppf(0.975, seeds - 1) + t.ppf(0.8, seeds - 1)
        return effect >= quantiles / np.sqrt(seeds)

    assert resolves(expected) and not resolves(expected - 1)
    assert seeds_needed(blocks, effect * spread) == str(expected)


def test_items_alone_may_hide_an_effect_from_all_seeds():
    """By hand: items 0.1 apart, whose mean has a standard error of 0.1 / sqrt(3)."""
    blocks = [np.tile([-0.1, 0.0, 0.1], (4, 1))]
    least = (norm.ppf(0.975) + norm.ppf(0.8)) * 0.1 / np.sqrt(3)
    assert seeds_needed(blocks, 0.999 * least) == MORE_ITEMS
    assert seeds_needed(blocks, 1.001 * least) != MORE_ITEMS


def test_larger_effects_need_no_more_seeds():
    blocks = [differences(seed_spread=0.05)]
    needed = [int(seeds_needed(blocks, effect)) for effect in (0.03, 0.04, 0.05, 0.08, 0.2)]
    assert needed == sorted(needed, reverse=True)
    assert len(set(needed)) > 2 and needed[-1] >= 2


def test_more_spread_over_seeds_needs_more_seeds():
    needed = [
        int(seeds_needed([differences(seed_spread=spread)], 0.05))
        for spread in (0.01, 0.03, 0.06, 0.1)
    ]
    assert needed == sorted(needed) and needed[0] < needed[-1]


def test_the_sign_does_not_matter():
    assert seeds_needed([differences()], -0.05) == seeds_needed([differences()], 0.05)


def test_what_no_number_of_seeds_resolves():
    blocks = [differences(item_spread=0.5)]
    assert seeds_needed(blocks, 0.03) == MORE_ITEMS
    assert seeds_needed(blocks, 0.2) != MORE_ITEMS
    assert seeds_needed(blocks, 0.0) == MORE_ITEMS
    assert seeds_needed([np.zeros((3, 10))], 0.0) == MORE_ITEMS


def test_one_run_tells_nothing_of_seeds():
    assert seeds_needed([differences(seeds=1)], 0.05) == ""


def test_a_difference_without_any_spread():
    assert seeds_needed([np.ones((3, 10))], 1.0) == "2"


def test_items_that_are_needed_make_the_interval_narrow_enough():
    """More items of the same kind do what the number says, and fewer do not."""
    effect = 0.03
    blocks = [differences(seeds=8, items=300, seed_spread=0.002, item_spread=0.5, noise=0.2)]
    needed = int(items_needed(blocks, effect))
    assert needed > 300
    for items, enough in ((needed * 3 // 2, True), (needed // 2, False)):
        block = differences(seeds=8, items=items, seed_spread=0.002, item_spread=0.5, noise=0.2)
        parts = components([block])
        quantile = stdtrit(7, 0.975) + stdtrit(7, 0.8)
        assert (quantile**2 * (parts.seed / 8 + parts.items) < effect**2) == enough


def test_what_no_number_of_items_resolves():
    assert items_needed([differences(seed_spread=0.2)], 0.03) == MORE_SEEDS
    assert items_needed([differences(seeds=1)], 0.03) == ""


def test_the_residual_is_a_part_of_the_spread_over_seeds():
    parts = components([differences(seeds=200, items=100, seed_spread=0.02, noise=0.3)])
    assert parts.residual == pytest.approx(0.3**2 / 100, rel=0.1)
    assert parts.seed - parts.residual == pytest.approx(0.02**2, rel=0.3)
