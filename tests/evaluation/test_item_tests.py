"""Tests over items, against scipy's."""

import numpy as np
import pytest
import scipy.stats

from askd.evaluation.item_tests import mcnemar, sign_flips
from askd.evaluation.stats import average_paired_difference, interval, paired_difference


def answers(only_a: int, only_b: int, both: int = 20, neither: int = 10):
    a = np.repeat([1.0, 0.0, 1.0, 0.0], [only_a, only_b, both, neither])
    b = np.repeat([0.0, 1.0, 1.0, 0.0], [only_a, only_b, both, neither])
    return a, b


@pytest.mark.parametrize(
    "counts", [(0, 1), (0, 6), (3, 9), (10, 4), (30, 45), (12, 12), (400, 500)]
)
def test_mcnemar_is_a_binomial_test_of_the_items_that_differ(counts):
    exact = scipy.stats.binomtest(counts[0], sum(counts)).pvalue
    assert mcnemar(*answers(*counts)) == pytest.approx(exact, rel=1e-10)
    assert mcnemar(*answers(*counts[::-1])) == pytest.approx(exact, rel=1e-10)


def test_equal_answers_do_not_differ():
    assert mcnemar(*answers(0, 0)) == 1
    assert sign_flips([np.zeros(5), np.zeros(3)]) == 1


@pytest.mark.parametrize("items", [6, 9, 12])
def test_sign_flips_agree_with_all_permutations(items):
    random = np.random.default_rng(items)
    difference = random.choice([-1, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1], items)
    exact = scipy.stats.permutation_test(
        (difference, np.zeros(items)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
    ).pvalue
    assert sign_flips([difference]) == pytest.approx(exact, abs=4 * np.sqrt(exact / 9999) + 1e-4)


def test_sign_flips_of_right_and_wrong_answers_are_mcnemars_test():
    a, b = answers(5, 14)
    exact = mcnemar(a, b)
    assert sign_flips([a - b]) == pytest.approx(exact, abs=4 * np.sqrt(exact / 9999))


def test_benchmarks_weigh_the_same():
    # One item of 2 weighs as much as 4 of 8. By hand: 8 of 16 signs are as extreme, where without
    # weights 10 of 16 would be.
    small, large = np.array([1.0, 0.0]), np.array([1.0, 1.0, -1.0, 0, 0, 0, 0, 0])
    assert sign_flips([small, large]) == pytest.approx(8 / 16, abs=0.02)
    assert sign_flips([np.concatenate([small, large])]) == pytest.approx(10 / 16, abs=0.02)


def test_equal_inputs_give_equal_values():
    difference = np.random.default_rng(0).choice([-0.5, 0, 0.25], 40)
    assert sign_flips([difference]) == sign_flips([difference.copy()])


@pytest.mark.parametrize("test", ["mcnemar", "signs"])
@pytest.mark.parametrize("differ", [5, 8, 30])
def test_equal_systems_are_told_apart_in_at_most_one_of_twenty_cases(test, differ):
    random = np.random.default_rng(1)
    rejected = 0
    for _ in range(1000):
        only_a = random.binomial(differ, 0.5)
        a, b = answers(only_a, differ - only_a)
        p_value = mcnemar(a, b) if test == "mcnemar" else sign_flips([a - b], 499)
        rejected += p_value < 0.05
    assert rejected / 1000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


# --- which test and interval is used when --------------------------------------------------------


@pytest.mark.parametrize("right", [0, 1, 37, 199, 200])
def test_one_answer_per_item_has_wilsons_interval(right):
    found = interval(np.repeat([1.0, 0.0], [right, 200 - right])[None], level=0.9)
    exact = scipy.stats.binomtest(right, 200).proportion_ci(0.9, method="wilson")
    assert found == pytest.approx((right / 200, exact.low, exact.high), abs=1e-12)


def test_one_answer_per_item_is_compared_by_mcnemars_test():
    a, b = answers(3, 12)
    assert paired_difference(a[None], b[None]).p_value == mcnemar(a, b)


def test_other_rewards_and_averages_of_one_seed_are_compared_by_random_signs():
    a, b = answers(3, 12)
    half = np.where(a > b, 0.5, a)
    assert paired_difference(half[None], b[None]).p_value == sign_flips([half - b])
    average = average_paired_difference([a[None], half[None]], [b[None], b[None]])
    assert average.p_value == sign_flips([a - b, half - b])


def test_seeds_are_never_left_out():
    a, b = answers(3, 12)
    one, three = a[None], np.stack([b, b, a])
    assert (
        paired_difference(one, three).p_value
        == paired_difference(np.repeat(one, 3, axis=0), three).p_value
    )
    assert paired_difference(one, three).p_value > mcnemar(a, b)
