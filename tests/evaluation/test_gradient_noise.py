"""The noise of gradients against direct computation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from askd.evaluation.gradient_noise import noise


@pytest.fixture(scope="module")
def gradients():
    """Gradients of two estimators with one mean and some noise in common."""
    random = np.random.default_rng(0)
    reference = random.normal(size=(12, 40)) + 0.8
    return reference + 1.5 * random.normal(size=(12, 40)), reference


def test_equal_to_a_direct_computation(gradients):
    own, reference = gradients
    measured = noise(own, reference, seed=0)

    def trace_and_signal(rows):
        trace = rows.var(0, ddof=1).sum()
        return trace, np.square(rows.mean(0)).sum() - trace / len(rows)

    (trace, signal), (other_trace, other_signal) = map(trace_and_signal, gradients)
    assert measured.trace.value == pytest.approx(trace)
    assert measured.nsr.value == pytest.approx(trace / signal)
    assert measured.nsr_ratio.value == pytest.approx(trace / signal / (other_trace / other_signal))
    cosines = [
        row @ np.delete(reference, number, 0).mean(0) / np.linalg.norm(row)
        for number, row in enumerate(own)
    ]
    assert measured.cosine.value == pytest.approx(np.mean(cosines) / math.sqrt(other_signal))
    inner = np.mean(
        [row @ np.delete(reference, number, 0).mean(0) for number, row in enumerate(own)]
    )
    assert measured.mean_cosine.value == pytest.approx(inner / math.sqrt(signal * other_signal))


def test_a_reference_beside_itself(gradients):
    measured = noise(gradients[1], gradients[1], seed=0)
    assert measured.nsr_ratio == pytest.approx((1, 1, 1))
    assert measured.mean_cosine == pytest.approx((1, 1, 1))


def test_a_gradient_that_is_not_finite_leaves_everything_undefined(gradients):
    own, reference = gradients[0].copy(), gradients[1]
    own[3, 5] = np.nan
    for value, low, high in noise(own, reference, seed=0):
        assert math.isnan(value) and (low, high) == (-math.inf, math.inf)


def test_limits_lie_around_the_value(gradients):
    for estimate in noise(*gradients, seed=0):
        assert estimate.low < estimate.value < estimate.high


def test_units_matter_to_the_trace_alone(gradients):
    own, reference = gradients
    plain, scaled = (noise(factor * own, reference, seed=0) for factor in (1, 3))
    assert scaled.trace == pytest.approx([9 * number for number in plain.trace])
    for name in ("nsr", "nsr_ratio", "cosine", "mean_cosine"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name))


def test_noise_in_common_does_not_bring_means_together():
    """E g and E f are at right angles; most of the noise is the same."""
    random = np.random.default_rng(1)
    common = 5 * random.normal(size=(200, 30))
    means = np.eye(30)[:2] * 10
    own, reference = means[0] + common, means[1] + common
    measured = noise(own, reference, seed=0)
    assert abs(measured.mean_cosine.value) < 0.15
    plain = own.mean(0) @ reference.mean(0)
    plain /= np.linalg.norm(own.mean(0)) * np.linalg.norm(reference.mean(0))
    assert measured.mean_cosine.value < plain


def test_a_mean_that_is_lost_in_noise_has_no_finite_limits():
    random = np.random.default_rng(2)
    measured = noise(random.normal(size=(10, 5)), random.normal(size=(10, 5)) + 9, seed=0)
    assert measured.nsr.high == math.inf
    assert (measured.mean_cosine.low, measured.mean_cosine.high) == (-math.inf, math.inf)


def test_a_gradient_of_zero_has_a_cosine_of_zero(gradients):
    own, reference = gradients
    measured = noise(np.vstack([own[:-1], 0 * own[-1:]]), reference, seed=0)
    assert 0 < measured.cosine.value < noise(own, reference, seed=0).cosine.value


def test_deterministic(gradients):
    assert noise(*gradients, seed=3) == noise(*gradients, seed=3)
    assert noise(*gradients, seed=3) != noise(*gradients, seed=4)


def test_bad_input_is_refused(gradients):
    own, reference = gradients
    with pytest.raises(ValueError, match="one shape"):
        noise(own[:-1], reference, seed=0)
    with pytest.raises(ValueError, match="7 minibatches are too few"):
        noise(own[:7], reference[:7], seed=0)
