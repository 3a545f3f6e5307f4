"""MiniLLM's objective: rewards, returns, whitening, and a gradient that is reverse KL's."""

from __future__ import annotations

import math

import pytest
import torch

from askd.objectives import (
    log_ratio_rewards,
    normalized_returns,
    policy_gradient,
    reverse_kl,
    whiten,
)


def _models(seed: int = 0, vocabulary: int = 5):
    generator = torch.Generator().manual_seed(seed)
    student, teacher, old = torch.randn(3, 1, vocabulary, generator=generator, dtype=torch.float64)
    return student.requires_grad_(), teacher.log_softmax(-1), old.log_softmax(-1)


def _expected_gradient(student, teacher, sampler, advantage, clip_range=1e9):
    """Of the loss without its reverse KL, over one token that `sampler` draws."""
    vocabulary = student.shape[1]
    tokens = torch.arange(vocabulary)
    loss = policy_gradient(
        student.log_softmax(-1).expand(vocabulary, -1),
        teacher.expand(vocabulary, -1),
        tokens,
        sampler[0],
        advantage,
        clip_range,
    ) - reverse_kl(student.log_softmax(-1), teacher)
    (gradient,) = torch.autograd.grad((sampler[0].exp() * loss).sum(), student)
    return gradient


@pytest.mark.parametrize("weight", [0.0, 0.2, 0.9])
def test_tokens_of_a_mixture_count_as_the_students_own(weight):
    """Log-ratios as advantages give the gradient of reverse KL, whatever the mixture."""
    student, teacher, _ = _models()
    logprobs = student.log_softmax(-1)
    own = logprobs.detach()
    mixture = ((1 - weight) * own.exp() + weight * teacher.exp()).log()
    rewards = log_ratio_rewards(own[0], teacher[0], scale=1.0, limit=100)
    gradient = _expected_gradient(student, teacher, mixture, rewards)
    (exact,) = torch.autograd.grad(reverse_kl(logprobs, teacher).sum(), student)
    torch.testing.assert_close(gradient, exact, rtol=1e-12, atol=1e-14)
    # Descent makes the student more like the teacher, not less.
    with torch.no_grad():
        after = reverse_kl((student - 1e-3 * gradient).log_softmax(-1), teacher)
        assert after < reverse_kl(logprobs, teacher)


def test_tokens_of_an_older_student_are_reweighted_too():
    """The ratio is to the distribution that was sampled from, at once for age and mixture."""
    student, teacher, old = _models()
    logprobs = student.log_softmax(-1)
    mixture = (0.8 * old.exp() + 0.2 * teacher.exp()).log()
    rewards = log_ratio_rewards(logprobs[0], teacher[0], scale=1.0, limit=100)
    gradient = _expected_gradient(student, teacher, mixture, rewards)
    (exact,) = torch.autograd.grad(reverse_kl(logprobs, teacher).sum(), student)
    torch.testing.assert_close(gradient, exact, rtol=1e-12, atol=1e-14)


def test_the_reverse_kl_has_its_full_gradient():
    """Without advantages it is all that is left."""
    student, teacher, old = _models()
    logprobs = student.log_softmax(-1)
    loss = policy_gradient(
        logprobs, teacher, torch.tensor([2]), old[:, 2], torch.zeros(1).double(), 0.2
    )
    torch.testing.assert_close(loss, reverse_kl(logprobs, teacher))
    slopes = [
        torch.autograd.grad(part.sum(), student, retain_graph=True)[0]
        for part in (loss, reverse_kl(logprobs, teacher))
    ]
    torch.testing.assert_close(*slopes)


def test_nothing_but_the_student_has_a_gradient():
    """Advantages, what was sampled from and the moments are constants, whatever their history."""
    q, p = (torch.tensor([-1.0, -0.5, -2.0], requires_grad=True) for _ in range(2))
    rewards = log_ratio_rewards(q, p, 0.5, 100)
    returns = normalized_returns(2 * q, torch.zeros(3).long(), 0.9)
    assert not rewards.requires_grad and not returns.requires_grad
    assert not whiten(2 * q, 3 * q).requires_grad

    student, teacher, _ = _models()
    logprobs = student.log_softmax(-1)
    constants = [value.detach() for value in (logprobs[:, 1], logprobs[:, 1] + 1)]
    slopes = []
    for sampler, advantage in (constants, (logprobs[:, 1], logprobs[:, 1] + 1)):
        loss = policy_gradient(
            logprobs, teacher, torch.tensor([1]), sampler, advantage, clip_range=0.2
        )
        slopes.append(torch.autograd.grad(loss.sum(), student, retain_graph=True)[0])
    torch.testing.assert_close(*slopes, rtol=0, atol=0)


def test_rewards_are_log_ratios_in_units_and_limits():
    q, p = torch.tensor([-1.0, -3.0, -80.0, -math.inf]), torch.tensor([-2.0, -1.0, -1.0, -1.0])
    assert log_ratio_rewards(q, p, 0.5, 100).tolist() == [-2.0, 4.0, 100.0, 100.0]
    assert log_ratio_rewards(p, q, 2.0, 3).tolist() == [0.5, -1.0, -3.0, -3.0]


@pytest.mark.parametrize("discount", [0.0, 0.5, 1.0])
def test_returns_by_hand(discount):
    rewards = torch.tensor([1.0, 2.0, -4.0, 8.0], dtype=torch.float64)
    sequence = torch.tensor([3, 3, 3, 9])
    returns = normalized_returns(rewards, sequence, discount)
    expected = [
        (1 + 2 * discount - 4 * discount**2) / 3,
        (2 - 4 * discount) / 2,
        -4,
        8,
    ]
    assert returns.tolist() == pytest.approx(expected)


def test_returns_of_a_long_response_are_finite():
    """Powers of the discount run far beyond float32 in the other direction."""
    returns = normalized_returns(torch.ones(3000), torch.zeros(3000).long(), 0.9)
    assert returns.isfinite().all()
    assert returns[0].item() == pytest.approx(10 / 3000, rel=1e-5)


def test_whitening_takes_its_moments_from_the_step():
    step = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
    whole = whiten(step, step)
    assert whole.mean().item() == pytest.approx(0, abs=1e-12)
    assert whole.std().item() == pytest.approx(1, rel=1e-6)
    torch.testing.assert_close(whiten(step[1:3], step), whole[1:3])
    assert whiten(step[:1], step[:1]).tolist() == [0.0]


def test_no_tokens():
    """A micro-batch without response tokens gives an empty loss."""
    empty, none = torch.empty(0), torch.empty(0, dtype=torch.int64)
    assert normalized_returns(empty, none, 0.9).shape == (0,)
    loss = policy_gradient(torch.empty(0, 5), torch.empty(0, 5), none, empty, empty, 0.2)
    assert loss.shape == (0,)
