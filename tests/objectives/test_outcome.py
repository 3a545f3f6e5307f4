"""What whole answers are worth beside the others: by hand, and in exact expectation."""

from __future__ import annotations

import itertools

import pytest
import torch

from askd.objectives import leave_one_out, outcome_weight
from askd.skewness import group_advantages, project
from askd.theory.tabular import SequenceSpace

SPACE = SequenceSpace(vocabulary=2, length=2)
# One number per sequence, and which of them are right.
WORTH = torch.tensor([0.9, 0.1, 0.4, -0.7], dtype=torch.float64)
RIGHT = torch.tensor([True, False, False, True])


@pytest.mark.parametrize(
    ("side", "alpha", "kappa", "weight"),
    [
        ("tgo", 0.8, 1.0, 0.8),
        ("tgo", 0.0, 1.0, 0.0),
        ("sgo", 0.8, 1.0, -0.2),
        ("sgo", 0.25, 1.0, -0.75),
        ("sgo", 0.8, 0.0, 0.0),
    ],
)
def test_weights_by_hand(side, alpha, kappa, weight):
    assert outcome_weight(side, alpha, kappa) == pytest.approx(weight, abs=1e-15)


@pytest.mark.parametrize("side", ["tgo", "sgo"])
def test_better_answers_weigh_more(side):
    """Also one that is right and therefore clipped: its 0 is more than all that wrong ones have."""
    weights = [outcome_weight(side, alpha, 1.0) for alpha in (0.1, 0.5, 0.9)]
    assert weights == sorted(weights)
    if side == "sgo":
        assert outcome_weight(side, 0.9, 0.0) > max(weights)


def test_leave_one_out_by_hand():
    """Groups may be mixed up; one answer alone is worth nothing beside the others."""
    values = [1.0, 0.5, 4.0, 2.0, 0.0, 3.0]
    groups = ["a", "b", "c", "a", "b", "a"]
    # a: 1, 2, 3; b: 0.5, 0; c: 4 alone.
    assert leave_one_out(values, groups) == [-1.5, 0.5, 0.0, 0.0, -0.5, 1.5]
    assert leave_one_out([], []) == []


def test_outcomes_of_a_group_add_up_to_nothing_whatever_is_added_to_all():
    values = [0.3, -0.2, 0.9, 0.1]
    outcomes = leave_one_out(values, [7] * 4)
    assert sum(outcomes) == pytest.approx(0, abs=1e-15)
    assert leave_one_out([v + 5 for v in values], [7] * 4) == pytest.approx(outcomes, abs=1e-12)
    # As deviations from the mean of all, times G / (G - 1).
    mean = sum(values) / 4
    assert outcomes == pytest.approx([(v - mean) * 4 / 3 for v in values], abs=1e-15)
    assert leave_one_out([0.5] * 3, [0] * 3) == [0.0] * 3


def test_one_group_is_needed_for_each_value():
    with pytest.raises(ValueError, match="shorter"):
        leave_one_out([1.0, 2.0], [0])


# --- expectations --------------------------------------------------------------------------------


def models() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (2, SPACE.prefix_count, SPACE.vocabulary)
    student, teacher = torch.randn(shape, generator=generator, dtype=torch.float64)
    return student.requires_grad_(), teacher


def answer_gradients(logits: torch.Tensor) -> torch.Tensor:
    """grad log q(y) of every sequence, [S, P * V]."""
    answers = SPACE.token_logprobs(logits).sum(1)
    return torch.stack(
        [torch.autograd.grad(answer, logits, retain_graph=True)[0].flatten() for answer in answers]
    )


def expected(probabilities: torch.Tensor, gradients: torch.Tensor, samples: int, weights):
    """E[sum_i weight_i grad log q(y_i)] over all tuples of `samples` independent answers."""
    total = torch.zeros(gradients.shape[1], dtype=torch.float64)
    for drawn in itertools.product(range(SPACE.sequence_count), repeat=samples):
        chosen = list(drawn)
        outcomes = torch.tensor(weights(chosen), dtype=torch.float64)
        total += probabilities[chosen].prod() * (outcomes @ gradients[chosen])
    return total


def left_out(chosen: list[int]) -> list[float]:
    return leave_one_out(WORTH[chosen].tolist(), [0] * len(chosen))


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_the_baseline_leaves_the_expectation_on_student_outputs(samples):
    """E_q[sum_i outcome_i grad log q(y_i)] = G grad E_q[w]: the constant is the number of samples.

    The loss is a mean over samples, so that a step moves along grad E_q[w].
    """
    student, _ = models()
    probabilities = SPACE.token_logprobs(student).sum(1).exp()
    (gradient,) = torch.autograd.grad(probabilities @ WORTH, student, retain_graph=True)
    gradients, drawn = answer_gradients(student), probabilities.detach()
    found = expected(drawn, gradients, samples, left_out)
    assert gradient.abs().max() > 0.01
    assert (found - samples * gradient.flatten()).abs().max() <= 1e-14
    # The same without a baseline, at a larger variance.
    plain = expected(drawn, gradients, samples, lambda chosen: WORTH[chosen].tolist())
    assert (found - plain).abs().max() <= 1e-14


def test_on_teacher_outputs_the_baseline_takes_a_likelihood_step_away():
    """E_p[grad log q] is zero at q = p alone: what is left is G times a covariance."""
    student, teacher = models()
    gradients = answer_gradients(student)
    drawn = SPACE.token_logprobs(teacher).sum(1).exp()
    found = expected(drawn, gradients, 3, left_out)
    weighted, mean = (drawn * WORTH) @ gradients, (drawn @ WORTH) * (drawn @ gradients)
    assert (found - 3 * (weighted - mean)).abs().max() <= 1e-14
    assert (found - 3 * weighted).abs().max() > 0.01
    gradients = answer_gradients(teacher.clone().requires_grad_())
    found = expected(drawn, gradients, 3, left_out)
    assert (found - 3 * (drawn * WORTH) @ gradients).abs().max() <= 1e-14


@pytest.mark.parametrize("samples", [2, 3])
def test_rewards_that_are_normalised_by_group_lengthen_the_step(samples):
    """Then a value depends on the other samples too, and the baseline with it.

    Where the values of a group always have one sum, as right and wrong ones have at G = 2, the
    baseline multiplies the expectation by G / (G - 1); else nearly so. The direction stays.
    """
    student, _ = models()
    drawn = SPACE.token_logprobs(student).sum(1).exp().detach()
    gradients = answer_gradients(student)

    def values(chosen: list[int]) -> list[float]:
        advantages = group_advantages(RIGHT[chosen].double().numpy(), [0] * len(chosen))
        return [outcome_weight("sgo", alpha, 1.0) for alpha in project(advantages, 1.0)]

    plain = expected(drawn, gradients, samples, values)
    found = expected(
        drawn, gradients, samples, lambda chosen: leave_one_out(values(chosen), [0] * len(chosen))
    )
    ratio = (found @ plain) / (plain @ plain)
    assert torch.nn.functional.cosine_similarity(found, plain, dim=0) == pytest.approx(1)
    assert ratio == pytest.approx(samples / (samples - 1), rel=1e-9 if samples == 2 else 0.03)
