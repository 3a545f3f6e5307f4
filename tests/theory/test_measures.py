"""What the statements are computed from, against other ways to compute it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from askd import objectives
from askd.skewness import project
from askd.theory import coefficients, convergence, estimators, projection, tabular
from askd.theory.example import examples
from askd.theory.paper import modes


@pytest.fixture
def example(pairs):
    return pairs[0]


# --- estimators --------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["skl", "srkl"])
def test_moments_by_hand(example, side):
    """Mean and variance over sequences that are differentiated one by one."""
    loss = estimators.sampled(example, side, 0.3)
    probability = example.teacher_probabilities if side == "skl" else example.student_probabilities
    mean, second = torch.zeros_like(example.student), 0.0
    for number in range(example.space.sequence_count):
        student = example.student.clone().requires_grad_()
        (row,) = torch.autograd.grad(loss(student)[number], student)
        mean += probability[number] * row
        second += (probability[number] * row.square().sum()).item()
    moments = estimators.moments(example, side, loss)
    torch.testing.assert_close(moments.mean, mean, rtol=1e-12, atol=1e-15)
    assert moments.variance == pytest.approx(second - mean.square().sum().item(), rel=1e-12)
    torch.testing.assert_close(estimators.mean_gradient(example, side, loss), mean)


@pytest.mark.parametrize("side", ["skl", "srkl"])
def test_moments_by_sampling(example, side):
    """Sampled gradients have this mean and variance."""
    moments = estimators.moments(example, side, estimators.sampled(example, side, 0.5))
    probability = example.teacher_probabilities if side == "skl" else example.student_probabilities
    student = example.student.clone().requires_grad_()
    losses = estimators.sampled(example, side, 0.5)(student)
    rows = torch.stack(
        [torch.autograd.grad(loss, student, retain_graph=True)[0].flatten() for loss in losses]
    )
    generator = torch.Generator().manual_seed(0)
    drawn = rows[torch.multinomial(probability, 100_000, True, generator=generator)]
    assert (drawn.mean(0) - moments.mean.flatten()).norm() < 5 * (moments.variance / 1e5) ** 0.5
    assert drawn.var(0).sum().item() == pytest.approx(moments.variance, rel=0.03)


@pytest.mark.parametrize("samples", [2, 3])
def test_moments_with_a_leave_one_out_baseline_by_hand(samples):
    """Over all groups of so many outputs, each differentiated as a whole."""
    (example,) = examples(count=1, vocabulary=2, length=2)
    worth = torch.tensor([0.9, 0.1, 0.4, -0.7], dtype=torch.float64)
    loss = estimators.full_vocabulary(example, "srkl", 0.3)
    mean, second = torch.zeros_like(example.student), 0.0
    for group in itertools.product(range(4), repeat=samples):
        chosen, student = list(group), example.student.clone().requires_grad_()
        outcomes = torch.tensor(objectives.leave_one_out(worth[chosen].tolist(), [0] * samples))
        answers = example.space.token_logprobs(student).sum(1)[chosen]
        total = (loss(student)[chosen] - outcomes * answers).mean()
        (gradient,) = torch.autograd.grad(total, student)
        probability = example.student_probabilities[chosen].prod()
        mean += probability * gradient
        second += (probability * gradient.square().sum()).item()
    found = estimators.leave_one_out_moments(example, "srkl", loss, worth, samples)
    torch.testing.assert_close(found.mean, mean)
    expected = samples * (second - mean.square().sum().item())
    assert found.variance == pytest.approx(expected, rel=1e-6)


def test_weights_reach_losses_and_divergences(example):
    """A weight per sequence multiplies each sequence's share."""
    weight = example.kappa
    for side, divergence in (("skl", tabular.skew_kl), ("srkl", tabular.skew_reverse_kl)):
        plain = estimators.sampled(example, side, 0.3)(example.student)
        weighted = estimators.sampled(example, side, 0.3, weight)(example.student)
        torch.testing.assert_close(weighted, weight * plain)
        models = (example.space, example.student, example.teacher, 0.3, "token")
        halves = divergence(*models, weight) + divergence(*models, 1 - weight)
        torch.testing.assert_close(halves, divergence(*models))
        assert not math.isclose(divergence(*models, weight), divergence(*models), rel_tol=1e-3)


def test_cosine_and_relative_error():
    first, second = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    assert estimators.cosine(first, second) == 0
    assert estimators.cosine(first, -2 * first) == -1
    assert estimators.relative_error(first, second) == 5 / 4


# --- coefficients ------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [0.1, 1.5, 5.0])
def test_slope_of_the_reverse_coefficient(c):
    """The closed form against central differences."""
    alpha = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    step = 1e-6
    measured = coefficients.srkl(c, alpha + step) - coefficients.srkl(c, alpha - step)
    torch.testing.assert_close(
        coefficients.srkl_slope(c, alpha), measured / (2 * step), rtol=1e-6, atol=1e-7
    )


def test_bisection():
    assert coefficients.bisect(lambda x: x * x < 2, 1, 2) == pytest.approx(math.sqrt(2), rel=1e-12)


def test_lipschitz_constant_of_a_plane():
    """3 r + 4 c has gradient norm 5, and no pair is steeper."""
    r = torch.linspace(-1, 1, 5, dtype=torch.float64)
    c = coefficients.ratios(0.5, 2, 5)

    def plane(c, alpha):
        return 3 * alpha + 4 * c

    assert coefficients.lipschitz(plane, lambda r: r, r, c) == pytest.approx(5, rel=1e-6)
    assert 4.9 < coefficients.steepest_pair(plane, lambda r: r, r, c) <= 5 + 1e-9


# --- projection --------------------------------------------------------------------------------


def test_law_of_alpha_in_groups():
    """Probabilities add up; seven values; a wrong output of a group of four."""
    law = projection.law_of_group_alphas(4, 1.0, 0.5)
    assert sum(law.values()) == pytest.approx(1)
    assert len(law) == 7
    # Three of four right: 4 of 16 groups, one of four outputs.
    assert law[min(law)] == pytest.approx(4 / 16 / 4)
    assert projection.used_alphas(4, 1.0) == pytest.approx([0.5, 0.3086, 0.1933, 0.0668], abs=5e-5)


def test_kolmogorov_distances():
    """By hand: two atoms; and normal rewards with beta = 2, by simulation."""
    assert projection.law_distance_from_uniform({0.25: 0.5, 0.75: 0.5}) == pytest.approx(0.25)
    r = np.sort(np.random.default_rng(0).standard_normal(200_000))
    levels = (np.arange(len(r)) + 0.5) / len(r)
    simulated = np.abs(project(r, 2.0) - levels).max()
    assert projection.distance_from_uniform(2.0) == pytest.approx(simulated, abs=5e-3)


# --- gradient descent --------------------------------------------------------------------------


def test_fisher_matrix_by_enumeration(example):
    """The covariance of grad log p(y)."""
    teacher = example.teacher.clone().requires_grad_()
    logprobs = example.space.token_logprobs(teacher).sum(1)
    scores = torch.stack(
        [torch.autograd.grad(value, teacher, retain_graph=True)[0].flatten() for value in logprobs]
    )
    expected = torch.einsum("s,si,sj->ij", example.teacher_probabilities, scores, scores)
    torch.testing.assert_close(convergence.fisher(example), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("number", range(5))
def test_tilted_limit_is_the_minimum(pairs, number):
    """No other distribution has a smaller loss; with one alpha it is p."""
    p, alpha = pairs[number].teacher_probabilities, pairs[number].alpha
    q, _ = convergence.tilted_limit(p, alpha)
    assert q.sum().item() == pytest.approx(1, abs=1e-12)

    def loss(q):
        return (p * (p / ((1 - alpha) * p + alpha * q)).log()).sum(-1)

    generator = torch.Generator().manual_seed(0)
    others = torch.rand(1000, len(p), generator=generator, dtype=torch.float64)
    near = q + 0.01 * (others / others.sum(1, keepdim=True) - q)
    assert (loss(near) > loss(q)).all()
    assert loss(q) < loss(p)
    constant, _ = convergence.tilted_limit(p, torch.full_like(alpha, 0.3))
    torch.testing.assert_close(constant, p)


def test_directions_see_no_shift():
    """Norm 1, rows of mean zero; centring does not change the model."""
    logits = examples(1)[0].student
    drawn = convergence.directions(logits, 3)
    torch.testing.assert_close(drawn.flatten(1).norm(dim=1), torch.ones(3, dtype=torch.float64))
    assert drawn.mean(-1).abs().max() < 1e-15
    torch.testing.assert_close(convergence.centred(logits).softmax(-1), logits.softmax(-1))


def test_region_of_a_quadratic():
    """mu, beta and the factor of a step are the textbook's."""
    points = convergence.quadratic(1.0, 2.0)
    assert points.monotonicity == pytest.approx(1, abs=1e-3)
    assert points.smoothness == pytest.approx(2, abs=1e-3)
    assert points.largest_factor(0.1) == pytest.approx(0.9, abs=1e-3)
    assert convergence.printed_rate(1.0, 2.0, 0.1) == pytest.approx(0.84)


def test_softened_quadratic_grows_as_stated():
    """L(x) >= mu x^2 with mu = knee - knee^2 / 2, reached at x = 1."""
    _, mu, beta = convergence.softened_quadratic(0.3)
    assert (mu, beta) == (pytest.approx(0.3 - 0.3**2 / 2), 1.0)


def test_descent_lowers_the_loss(example):
    loss = convergence.skew_loss(example, "skl", 0.5)
    assert loss(convergence.descend(loss, example.student, 1.0, 50)) < loss(example.student)


def test_slowest_direction(example):
    """The smallest curvature that is not a shift."""
    loss = convergence.skew_loss(example, "skl", 0.5)
    direction = convergence.slowest_direction(loss, example.teacher)
    assert direction.mean(-1).abs().max() < 1e-8
    values = convergence.curvatures(loss, example.teacher)
    step = 1e-3 * direction
    curvature = 2 * loss(example.teacher + step).item() / 1e-6
    assert curvature == pytest.approx(values[len(example.teacher)].item(), rel=1e-2)


# --- modes -------------------------------------------------------------------------------------

DIVERGENCES = {
    "kl": modes.skew_kl(1),
    "rkl": modes.skew_reverse_kl(0),
    "skl": modes.skew_kl(0.9),
    "skl, exchanged": modes.skew_kl(0.1),
    "srkl": modes.skew_reverse_kl(0.1),
    "srkl, exchanged": modes.skew_reverse_kl(0.9),
}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_no_other_small_student_has_less_divergence(name):
    """Of all pairs of probabilities on a grid; and the one found has independent symbols."""
    divergence, teacher = DIVERGENCES[name], modes.two_modes()
    found = modes.small_student(divergence)
    torch.testing.assert_close(found, np.outer(found.sum(1), found.sum(0)), rtol=0, atol=1e-12)
    grid = np.linspace(0.005, 0.995, 100)
    least = min(
        divergence(teacher, np.outer([first, 1 - first], [second, 1 - second]))
        for first, second in itertools.product(grid, grid)
    )
    assert divergence(teacher, found) <= least < divergence(teacher, found) + 1e-3


def test_skew_divergences_of_modes_are_those_that_training_minimises():
    """As askd.objectives has them at one prefix, for a student that is neither model."""
    teacher, student = modes.two_modes(), np.outer([0.3, 0.7], [0.6, 0.4])
    p, q = (torch.from_numpy(one).reshape(1, 4).log() for one in (teacher, student))
    for alpha in (0.1, 0.9):
        for of_modes, of_training in (
            (modes.skew_kl, objectives.skew_kl),
            (modes.skew_reverse_kl, objectives.skew_reverse_kl),
        ):
            expected = of_training(q, p, torch.tensor([alpha], dtype=torch.float64)).item()
            assert of_modes(alpha)(teacher, student) == pytest.approx(expected, rel=1e-12)
