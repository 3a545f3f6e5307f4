"""Divergences over the vocabulary: definition, gradient, limits, symmetries, extreme inputs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from askd.objectives import (
    adaptive_kl,
    forward_kl,
    generalized_jsd,
    head_share,
    reverse_kl,
    skew_kl,
    skew_reverse_kl,
)

INF = float("inf")
OBJECTIVES = {
    "skew_kl": skew_kl,
    "skew_reverse_kl": skew_reverse_kl,
    "generalized_jsd": generalized_jsd,
}


def _models(tokens: int = 4, vocabulary: int = 5, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, tokens, vocabulary)
    student, teacher = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return student, teacher.log_softmax(-1)


def _gradient(loss, logits: torch.Tensor) -> torch.Tensor:
    (gradient,) = torch.autograd.grad(loss.sum(), logits, retain_graph=True)
    return gradient


def _kl(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x * (x / y).log()).sum(-1)


def test_definitions_in_plain_probabilities():
    """Each loss is its textbook formula, with alpha the weight of the student."""
    student, teacher = _models()
    student = student.log_softmax(-1)
    q, p = student.exp(), teacher.exp()
    alpha = torch.tensor([0.1, 0.4, 0.7, 0.95], dtype=torch.float64)
    mixture = (1 - alpha[:, None]) * p + alpha[:, None] * q
    torch.testing.assert_close(skew_kl(student, teacher, alpha), _kl(p, mixture))
    torch.testing.assert_close(skew_reverse_kl(student, teacher, alpha), _kl(q, mixture))
    beta = 0.2
    mixture = beta * p + (1 - beta) * q
    expected = beta * _kl(p, mixture) + (1 - beta) * _kl(q, mixture)
    torch.testing.assert_close(generalized_jsd(student, teacher, beta), expected)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("weight", [0.0, 0.2, 0.7, 1.0])
def test_gradient_by_finite_differences(name, weight):
    """The gradient with respect to logits, at the ends and between."""
    student, teacher = _models()
    student.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: OBJECTIVES[name](s.log_softmax(-1), teacher, weight), student
    )


@pytest.mark.parametrize("objective", [skew_kl, skew_reverse_kl])
def test_gradient_with_one_alpha_per_token(objective):
    """The gradient with a tensor alpha, which equals that of each token on its own."""
    student, teacher = _models()
    student.requires_grad_()
    alpha = torch.tensor([0.0, 0.3, 0.8, 1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: objective(s.log_softmax(-1), teacher, alpha), student)
    logprobs = student.detach().log_softmax(-1)
    for i in range(len(alpha)):
        alone = objective(logprobs[i : i + 1], teacher[i : i + 1], alpha[i].item())
        torch.testing.assert_close(objective(logprobs, teacher, alpha)[i : i + 1], alone)


def test_detached_mixture():
    """Same value; the gradient is E_q[log(q/m) grad log q], as if m did not depend on q."""
    student, teacher = _models()
    student.requires_grad_()
    logprobs, alpha = student.log_softmax(-1), 0.4
    detached = skew_reverse_kl(logprobs, teacher, alpha, detach_mixture=True)
    attached = skew_reverse_kl(logprobs, teacher, alpha)
    torch.testing.assert_close(detached, attached)

    q = logprobs.detach().exp()
    log_ratio = (q / ((1 - alpha) * teacher.exp() + alpha * q)).log()
    expected = _gradient(q * log_ratio * student.log_softmax(-1), student)
    torch.testing.assert_close(_gradient(detached, student), expected)
    assert not torch.allclose(_gradient(attached, student), expected, rtol=0.1)


def test_ends_of_alpha():
    """SKL runs from nothing to the forward KL, SRKL from the reverse KL to nothing."""
    student, teacher = _models()
    student.requires_grad_()
    logprobs = student.log_softmax(-1)
    q, p = logprobs.exp(), teacher.exp()
    torch.testing.assert_close(skew_kl(logprobs, teacher, 1.0), _kl(p, q))
    torch.testing.assert_close(skew_reverse_kl(logprobs, teacher, 0.0), _kl(q, p))
    for nothing in (skew_kl(logprobs, teacher, 0.0), skew_reverse_kl(logprobs, teacher, 1.0)):
        assert nothing.abs().max() < 1e-15
        assert _gradient(nothing, student).abs().max() < 1e-15


def test_ends_of_beta():
    """Forward KL at 0, reverse KL at 1, and the documented jump next to them."""
    student, teacher = _models()
    student = student.log_softmax(-1)
    q, p = student.exp(), teacher.exp()
    torch.testing.assert_close(generalized_jsd(student, teacher, 0.0), _kl(p, q))
    torch.testing.assert_close(generalized_jsd(student, teacher, 1.0), _kl(q, p))
    small = 1e-6
    torch.testing.assert_close(
        generalized_jsd(student, teacher, small) / small, _kl(p, q), rtol=1e-4, atol=0
    )
    torch.testing.assert_close(
        generalized_jsd(student, teacher, 1 - small) / small, _kl(q, p), rtol=1e-4, atol=0
    )


def test_exchange_of_models():
    """Exchanging models and weights changes nothing; exchanging models alone does."""
    student, teacher = _models()
    student = student.log_softmax(-1)
    weight = 0.2
    torch.testing.assert_close(
        skew_kl(student, teacher, weight), skew_reverse_kl(teacher, student, 1 - weight)
    )
    torch.testing.assert_close(
        generalized_jsd(student, teacher, weight), generalized_jsd(teacher, student, 1 - weight)
    )
    for objective in OBJECTIVES.values():
        swapped = objective(teacher, student, weight)
        assert not torch.allclose(objective(student, teacher, weight), swapped, rtol=0.01)


@settings(max_examples=25, deadline=None)
@given(alpha=st.floats(0, 0.999), scale=st.floats(0, 50), seed=st.integers(0, 1000))
def test_bounds(alpha, scale, seed):
    """0 <= KL(p || m) <= -log(1 - alpha), as m >= (1 - alpha) p; likewise the reverse."""
    student, teacher = _models(seed=seed)
    student, teacher = (scale * student).log_softmax(-1), (scale * teacher).log_softmax(-1)
    bound = -math.log1p(-alpha) + 1e-9
    for loss in (skew_kl(student, teacher, alpha), skew_reverse_kl(student, teacher, 1 - alpha)):
        assert ((loss >= -1e-9) & (loss <= bound)).all()


def test_forward_and_reverse_kl():
    """The textbook sums; each is the other with the models exchanged."""
    student, teacher = _models()
    student = student.log_softmax(-1)
    q, p = student.exp(), teacher.exp()
    torch.testing.assert_close(forward_kl(student, teacher), _kl(p, q))
    torch.testing.assert_close(reverse_kl(student, teacher), _kl(q, p))
    torch.testing.assert_close(reverse_kl(student, teacher), forward_kl(teacher, student))


def test_forward_kl_has_the_gradient_of_the_soft_cross_entropy():
    """They differ by the entropy of the teacher alone."""
    student, teacher = _models()
    student.requires_grad_()
    logprobs = student.log_softmax(-1)
    cross_entropy = -(teacher.exp() * logprobs).sum(-1)
    entropy = -(teacher.exp() * teacher).sum(-1)
    loss = forward_kl(logprobs, teacher)
    torch.testing.assert_close(loss, cross_entropy - entropy)
    torch.testing.assert_close(_gradient(loss, student), _gradient(cross_entropy, student))


@pytest.mark.parametrize(
    ("teacher", "head_mass", "head"),
    [
        ([0.6, 0.3, 0.1], 0.5, [0]),  # the first token, whatever its mass
        ([0.3, 0.3, 0.4], 0.5, [2]),  # the token that crosses belongs to the tail
        ([0.1, 0.25, 0.125, 0.525], 0.8, [3, 1]),
        ([0.25, 0.25, 0.25, 0.25], 0.5, [0, 1]),  # at most: the limit itself is inside
        ([0.25, 0.25, 0.25, 0.25], 0.0, [0]),
        ([0.125, 0.125, 0.25, 0.5], 1.0, [0, 1, 2, 3]),
    ],
)
def test_head_of_adaptive_kl(teacher, head_mass, head):
    """The share of the head's tokens in the gap between the models."""
    teacher = torch.tensor([teacher], dtype=torch.float64)
    student = torch.linspace(1, 3, teacher.shape[1], dtype=torch.float64).softmax(-1)[None]
    gap = (teacher - student).abs()
    share = head_share(student.log(), teacher.log(), head_mass)
    torch.testing.assert_close(share, gap[:, head].sum(-1) / gap.sum(-1))


def test_adaptive_kl_holds_its_weights():
    """The weights are constants, and the forward KL has the head's."""
    student, teacher = _models()
    student.requires_grad_()
    logprobs = student.log_softmax(-1)
    share = head_share(logprobs, teacher, 0.5)
    assert not share.requires_grad
    forward, reverse = forward_kl(logprobs, teacher), reverse_kl(logprobs, teacher)
    loss = adaptive_kl(logprobs, teacher, 0.5)
    torch.testing.assert_close(loss, share * forward + (1 - share) * reverse)
    slopes = [_gradient(part, student) for part in (forward, reverse)]
    expected = share[:, None] * slopes[0] + (1 - share)[:, None] * slopes[1]
    torch.testing.assert_close(_gradient(loss, student), expected)


def test_adaptive_kl_of_equal_models_is_zero():
    """The released code has 0/0 here."""
    student, _ = _models()
    student.requires_grad_()
    logprobs = student.log_softmax(-1)
    loss = adaptive_kl(logprobs, logprobs.detach().clone(), 0.5)
    assert head_share(logprobs, logprobs, 0.5).tolist() == [0.5] * len(student)
    assert loss.abs().max() < 1e-15
    assert _gradient(loss, student).abs().max() < 1e-15


EXTREME = {
    "underflow": ([1e4, 0.0, -1e4, 3.0], [-1e4, 1e4, 0.0, 5.0]),
    "teacher excludes": ([1.0, 2.0, 0.0, -200.0], [-INF, 0.5, 1.0, -INF]),
    "student excludes": ([-INF, 2.0, 0.0, -INF], [0.3, 0.5, 1.0, -200.0]),
    "both exclude": ([1.0, 2.0, -INF, 0.0], [0.3, 0.5, -INF, 1.0]),
}
INFINITE = {
    ("skew_kl", "student excludes", 1.0),
    ("skew_reverse_kl", "teacher excludes", 0.0),
    ("generalized_jsd", "student excludes", 0.0),
    ("generalized_jsd", "teacher excludes", 1.0),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("case", EXTREME)
def test_extreme_inputs(case, weight, name, dtype):
    """Finite loss and gradient, except where the divergence itself is infinite."""
    logits, teacher_logits = (torch.tensor([row], dtype=dtype) for row in EXTREME[case])
    logits.requires_grad_()
    loss = OBJECTIVES[name](logits.log_softmax(-1), teacher_logits.log_softmax(-1), weight)
    assert loss.dtype == dtype
    if (name, case, weight) in INFINITE:
        assert loss.item() == INF
    else:
        assert loss.isfinite().all()
        assert _gradient(loss, logits).isfinite().all()


@pytest.mark.parametrize("case", EXTREME)
def test_extreme_inputs_with_detached_mixture(case):
    """The same for DistiLLM-2's variant."""
    logits, teacher_logits = (torch.tensor([row], dtype=torch.float32) for row in EXTREME[case])
    logits.requires_grad_()
    loss = skew_reverse_kl(
        logits.log_softmax(-1), teacher_logits.log_softmax(-1), 0.1, detach_mixture=True
    )
    assert loss.isfinite().all()
    assert _gradient(loss, logits).isfinite().all()


def test_no_gradient_to_alpha():
    """Skewness is data: an alpha with a history of its own stays a constant."""
    student, teacher = _models()
    alpha = torch.full((4,), 0.5, dtype=torch.float64, requires_grad=True)
    for objective in (skew_kl, skew_reverse_kl):
        assert not objective(student.log_softmax(-1), teacher, alpha).requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", EXTREME)
def test_extreme_inputs_of_adaptive_kl(case, dtype):
    """inf where one of its KLs is, else finite."""
    logits, teacher_logits = (torch.tensor([row], dtype=dtype) for row in EXTREME[case])
    logits.requires_grad_()
    loss = adaptive_kl(logits.log_softmax(-1), teacher_logits.log_softmax(-1), 0.5)
    if case in ("teacher excludes", "student excludes"):
        assert loss.item() == INF
    else:
        assert loss.isfinite().all()
        assert _gradient(loss, logits).isfinite().all()


def test_no_tokens():
    """A micro-batch without response tokens gives an empty loss."""
    empty = torch.empty(0, 5)
    assert adaptive_kl(empty, empty, 0.3).shape == (0,)
    for objective in OBJECTIVES.values():
        assert objective(empty, empty, 0.3).shape == (0,)


def test_bad_arguments():
    """One clear error each."""
    student, teacher = _models()
    with pytest.raises(ValueError, match="shape"):
        skew_kl(student, teacher[:, :-1], 0.5)
    with pytest.raises(ValueError, match="per token"):
        skew_reverse_kl(student, teacher, torch.full((3,), 0.5))
    with pytest.raises(ValueError, match="alpha must lie"):
        skew_kl(student, teacher, 1.5)
    with pytest.raises(ValueError, match="beta must lie"):
        generalized_jsd(student, teacher, -0.1)
    with pytest.raises(ValueError, match="head_mass must lie"):
        adaptive_kl(student, teacher, 1.1)
    with pytest.raises(ValueError, match="shape"):
        adaptive_kl(student, teacher[:, :-1], 0.5)
