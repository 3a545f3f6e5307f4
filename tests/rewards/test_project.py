"""Rewards to advantages, skewness and the clip, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
from scipy.stats import norm

from askd.artifacts import REWARDS, SKEWNESS, check_table, table_from_rows
from askd.config import Advantage
from askd.rewards.project import project


def rewards(**by_prompt: list[float]):
    """A rewards table; a sample is correct when its reward is 1."""
    rows = [
        {
            "prompt_id": prompt_id,
            "sample_id": number,
            "reward": reward,
            "correct": reward == 1,
            "reason": "",
        }
        for prompt_id, values in by_prompt.items()
        for number, reward in enumerate(values)
    ]
    return table_from_rows(rows, REWARDS)


def advantages(table) -> list[float]:
    return table.column("advantage").to_pylist()


# Prompt a: mean 1/4, sample deviation 1/2. Prompt b: mean 1/2, deviation sqrt(1/3). c: all equal.
TABLE = rewards(a=[1, 0, 0, 0], b=[1, 1, 0, 0], c=[1, 1])
EPSILON = 1e-4


def test_within_the_samples_of_a_prompt():
    a, b = 0.5 + EPSILON, math.sqrt(1 / 3) + EPSILON
    expected = [0.75 / a, *[-0.25 / a] * 3, *[0.5 / b] * 2, *[-0.5 / b] * 2, 0, 0]
    table = project(TABLE, Advantage(), beta=1.0)
    assert advantages(table) == pytest.approx(expected, rel=1e-12)


def test_within_all_samples():
    """Mean 1/2 of ten: five deviations of each sign, variance 10/4/9."""
    deviation = math.sqrt(2.5 / 9) + EPSILON
    expected = [
        0.5 * (1 if reward else -1) / deviation for reward in [1, 0, 0, 0, 1, 1, 0, 0, 1, 1]
    ]
    table = project(TABLE, Advantage(normalization="batch"), beta=1.0)
    assert advantages(table) == pytest.approx(expected, rel=1e-12)


def test_with_the_other_sides_moments_by_prompt():
    """a with four right ones more: mean 5/8, variance (5 * 9/64 + 3 * 25/64) / 7 = 15/56."""
    pooled = math.sqrt(15 / 56) + EPSILON
    table = project(TABLE, Advantage(), 1.0, rewards(a=[1, 1, 1, 1], d=[0, 1]))
    assert len(table) == len(TABLE)
    assert advantages(table)[:4] == pytest.approx([3 / 8 / pooled, *[-5 / 8 / pooled] * 3])
    # Prompts that the other side does not have keep their own moments.
    assert advantages(table)[4:] == advantages(project(TABLE, Advantage(), 1.0))[4:]


def test_with_the_other_sides_moments_over_all():
    both = Advantage(normalization="batch")
    table = project(rewards(a=[1]), both, 1.0, rewards(a=[0, 0, 0]))
    assert advantages(table) == pytest.approx([0.75 / (0.5 + EPSILON)])


def test_the_epsilon_of_the_settings_is_used():
    table = project(TABLE, Advantage(epsilon=0.5), 1.0)
    assert advantages(table)[0] == pytest.approx(0.75)


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_skewness_is_the_normal_distribution_function_of_the_advantage(beta):
    table = project(TABLE, Advantage(), beta)
    expected = norm.cdf([beta * advantage for advantage in advantages(table)])
    assert table.column("alpha").to_pylist() == pytest.approx(list(expected), rel=1e-9)
    assert table.column("alpha").to_pylist()[-1] == 0.5


def test_correct_samples_are_clipped():
    table = project(TABLE, Advantage(), 1.0)
    assert table.column("kappa").to_pylist() == [0, 1, 1, 1, 0, 0, 1, 1, 0, 0]


def test_keys_stay_and_the_table_fits_its_schema():
    table = check_table(project(TABLE, Advantage(), 1.0), SKEWNESS, "f")
    for name in ("prompt_id", "sample_id"):
        assert table.column(name).equals(TABLE.column(name))
