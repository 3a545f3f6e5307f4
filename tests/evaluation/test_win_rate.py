import math
from collections import defaultdict
from statistics import NormalDist

import numpy as np
import pytest
from scipy.special import expit

from askd.evaluation.stats import interval
from askd.evaluation.win_rate import length_controlled, win_rates


def drawn(theta: float, phi: float, number: int = 4000, seed: int = 0):
    """Outcomes of the model itself, each of a prompt of its own."""
    random = np.random.default_rng(seed)
    difference = random.integers(-300, 500, number).astype(float)
    p = expit(theta + phi * np.tanh(difference / difference.std()))
    return (random.random(number) < p).astype(float), difference, np.arange(number)


def by_newton(y, difference, prompts) -> tuple[float, float, float]:
    """The fit once more, by Newton's steps in plain Python: the rate and its limits.

    The penalised log-likelihood is sum y log p + (1 - y) log(1 - p) - phi^2 / 2. The variance of
    (theta, phi) is H^-1 M H^-1 with the Hessian H of minus that, and with M = G / (G - 1) times the
    sum over the G prompts of the outer products of their scores.
    """
    number = len(y)
    center = sum(difference) / number
    spread = math.sqrt(sum((d - center) ** 2 for d in difference) / number)
    lengths = [math.tanh(d / spread) for d in difference]
    theta = phi = 0.0
    for _ in range(50):
        p = [1 / (1 + math.exp(-theta - phi * z)) for z in lengths]
        score_theta = sum(a - b for a, b in zip(y, p, strict=True))
        score_phi = sum((a - b) * z for a, b, z in zip(y, p, lengths, strict=True)) - phi
        w = [b * (1 - b) for b in p]
        # The Hessian is [[a, b], [b, d]].
        a, b = sum(w), sum(v * z for v, z in zip(w, lengths, strict=True))
        d = sum(v * z * z for v, z in zip(w, lengths, strict=True)) + 1
        determinant = a * d - b * b
        theta += (d * score_theta - b * score_phi) / determinant
        phi += (a * score_phi - b * score_theta) / determinant
    assert abs(score_theta) < 1e-9 and abs(score_phi) < 1e-9
    scores = defaultdict(lambda: [0.0, 0.0])
    for outcome, expected, z, prompt in zip(y, p, lengths, prompts, strict=True):
        scores[prompt][0] += outcome - expected
        scores[prompt][1] += (outcome - expected) * z
    # The first row of its inverse is (d, -b) / determinant.
    variance = sum((d * s - b * t) ** 2 for s, t in scores.values()) / determinant**2
    half = NormalDist().inv_cdf(0.975) * math.sqrt(variance * len(scores) / (len(scores) - 1))
    return tuple(1 / (1 + math.exp(-theta - step)) for step in (0.0, -half, half))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("theta", "phi"), [(0.0, 0.0), (0.7, 2.0), (-1.5, -1.0), (2.5, 0.5)])
def test_the_fit_is_that_of_another_program(theta, phi, samples, ties):
    y, difference, _ = drawn(theta, phi, 90, seed=7)
    if ties:
        y[::5] = 0.5
    prompts = np.arange(90) // samples
    expected = by_newton(y.tolist(), difference.tolist(), prompts.tolist())
    assert tuple(length_controlled(y, difference, prompts)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("theta", "phi"), [(0.0, 0.0), (0.4, 1.5), (-1.0, 2.0), (1.0, -0.5)])
def test_the_win_rate_at_equal_length_is_found(theta, phi):
    found = length_controlled(*drawn(theta, phi))
    assert found.mean == pytest.approx(expit(theta), abs=0.03)
    assert found.ci_low < expit(theta) < found.ci_high


def test_the_interval_covers():
    covered = 0
    for seed in range(300):
        found = length_controlled(*drawn(0.5, 1.0, 200, seed))
        covered += found.ci_low <= expit(0.5) <= found.ci_high
    assert 0.91 <= covered / 300 <= 0.985


def test_samples_of_a_prompt_are_no_new_prompts():
    y, difference, prompts = drawn(0.3, 1.0, 200)
    once = length_controlled(y, difference, prompts)
    four = length_controlled(np.tile(y, 4), np.tile(difference, 4), np.tile(prompts, 4))
    assert four.mean == pytest.approx(once.mean, abs=0.01)
    assert four.ci_high - four.ci_low == pytest.approx(once.ci_high - once.ci_low, rel=0.1)


def test_a_win_that_length_explains_is_discounted():
    """Longer answers win, and this system writes longer ones."""
    y, difference, _ = drawn(0.0, 3.0)
    rates = win_rates(y, 1000 + difference, [1000] * len(y), [str(n) for n in range(len(y))])
    assert rates["win_rate"]["mean"] > 0.55
    assert rates["length_controlled"]["mean"] == pytest.approx(0.5, abs=0.03)
    assert rates["mean_length"] == pytest.approx(1000 + difference.mean())
    assert rates["mean_baseline_length"] == 1000


@pytest.mark.parametrize(
    ("scores", "lengths"),
    [([1, 0.5, 0, 1], [7] * 4), ([1] * 4, [1, 2, 3, 4]), ([0] * 4, [1, 2, 3, 4])],
)
def test_where_length_tells_nothing_both_rates_are_one(scores, lengths):
    rates = win_rates(scores, lengths, [7] * 4, list("abcd"))
    assert rates["win_rate"] == rates["length_controlled"]
    assert rates["win_rate"] == interval(np.array([scores], dtype=float))._asdict()


def test_length_that_decides_every_pair_stays_finite():
    found = length_controlled(np.array([1.0, 1, 0, 0]), np.array([5.0, 9, -5, -9]), np.arange(4))
    assert found.mean == pytest.approx(0.5, abs=1e-6)
    assert 0 < found.ci_low < found.ci_high < 1


def test_ties_are_half_a_win():
    y = np.full(100, 0.5)
    found = length_controlled(y, np.arange(100.0), np.arange(100))
    assert found.mean == pytest.approx(0.5) and found.ci_high - found.ci_low < 1e-6


def test_outcomes_are_averaged_over_the_samples_of_a_prompt():
    rates = win_rates([1, 1, 0, 1], [3, 4, 5, 6], [3] * 4, ["a", "a", "b", "b"])
    expected = interval(np.array([[1.0, 0.5]]))
    assert rates["win_rate"] == expected._asdict()


def test_one_prompt_has_no_rate():
    rates = win_rates([1, 0], [3, 4], [3, 3], ["a", "a"])
    assert rates["win_rate"] is rates["length_controlled"] is None
