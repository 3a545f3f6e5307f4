"""How often the 95 % intervals hold the truth, and how often equal systems are told apart."""

import numpy as np
import pytest

from askd.evaluation.stats import average_interval, interval, paired_difference

ITEMS = 200


def logistic(logits):
    return 1 / (1 + np.exp(-logits))


def mean_of_logistic(centre, deviation):
    """The mean of logistic(centre + deviation * z) for standard normal z."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float(weights @ logistic(centre + deviation * nodes) / weights.sum())


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


@pytest.mark.parametrize(
    ("seeds", "lowest", "highest"), [(1, 0.93, 0.97), (3, 0.92, 0.97), (10, 0.93, 0.97)]
)
@pytest.mark.parametrize("seed_effects", [0.0, 0.2])
def test_coverage_for_right_and_wrong_answers(seeds, lowest, highest, seed_effects):
    seed_effects = seed_effects if seeds > 1 else 0.0
    random = np.random.default_rng(3)
    truth = mean_of_logistic(1.0, np.hypot(1.5, seed_effects))
    covered = [
        result.ci_low <= truth <= result.ci_high
        for result in (interval(binary_outcomes(random, seeds, seed_effects)) for _ in range(1200))
    ]
    assert lowest <= np.mean(covered) <= highest


@pytest.mark.parametrize(("seeds", "lowest"), [(3, 0.91), (10, 0.93)])
@pytest.mark.parametrize("seed_effect", [0.002, 0.02])
def test_coverage_for_normal_random_effects(seeds, lowest, seed_effect):
    random = np.random.default_rng(4)
    covered = [
        result.ci_low <= 0.5 <= result.ci_high
        for result in (
            interval(two_way(random, seeds, ITEMS, seed_effect, 0.05, 0.05)) for _ in range(1200)
        )
    ]
    assert lowest <= np.mean(covered) <= 0.98


@pytest.mark.parametrize(("seeds", "highest"), [(1, 0.07), (3, 0.085), (10, 0.07)])
def test_equal_systems_are_rarely_told_apart(seeds, highest):
    random = np.random.default_rng(5)
    rejected = []
    for _ in range(1200):
        items = 1.5 * random.standard_normal(ITEMS)
        a, b = (binary_outcomes(random, seeds, 0.2 * (seeds > 1), 1.0, ITEMS, items) for _ in "ab")
        rejected.append(paired_difference(a, b).p_value < 0.05)
    assert 0.03 <= np.mean(rejected) <= highest


def test_coverage_of_the_average_over_benchmarks():
    random = np.random.default_rng(6)
    truth = (mean_of_logistic(0.0, np.hypot(1.5, 0.3)) + mean_of_logistic(1.5, 1.5)) / 2
    covered = []
    for _ in range(1200):
        blocks = [binary_outcomes(random, 10, 0.3, 0.0, 150), binary_outcomes(random, 10, 0, 1.5)]
        result = average_interval(blocks)
        covered.append(result.ci_low <= truth <= result.ci_high)
    assert 0.93 <= np.mean(covered) <= 0.975
