"""Sampled objectives: coefficients and surrogates. tests/theory has their exact expectations."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from askd.objectives import (
    skew_kl,
    skew_kl_coefficient,
    skew_reverse_kl,
    skew_reverse_kl_coefficient,
    surrogate,
)
from askd.theory import tabular


def _models(tokens: int = 5, vocabulary: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, tokens, vocabulary, generator=generator, dtype=torch.float64)
    return student, teacher


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.9, 1.0])
@pytest.mark.parametrize("side", ["skl", "srkl"])
def test_expectation_over_next_token_is_full_vocabulary_gradient(side, alpha):
    """At a prefix, sampling the next token only adds noise to the full-vocabulary gradient."""
    student, teacher = _models()
    student.requires_grad_()
    q, p = student.log_softmax(-1), teacher.log_softmax(-1)
    tokens = torch.arange(q.numel())  # every (prefix, token) is a sequence of one token
    if side == "skl":
        coefficient = skew_kl_coefficient(q.flatten(), p.flatten(), alpha, tokens)
        probability, objective = p.exp(), skew_kl
    else:
        coefficient = skew_reverse_kl_coefficient(q.flatten(), p.flatten(), alpha, tokens)
        probability, objective = q.detach().exp(), skew_reverse_kl
    sampled = (probability.flatten() * surrogate(q.flatten(), coefficient)).sum()
    (gradient,) = torch.autograd.grad(sampled, student, retain_graph=True)
    (exact,) = torch.autograd.grad(objective(q, p, alpha).sum(), student)
    assert (gradient - exact).abs().max() <= 1e-12


def test_limits_of_alpha():
    """SKL: from nothing to plain likelihood. SRKL: from reverse KL to nothing."""
    q = torch.tensor([-1.0, -0.3, -4.0], dtype=torch.float64)
    p = torch.tensor([-2.0, -0.1, -0.5], dtype=torch.float64)
    sequence = torch.arange(3)
    for form in ("token", "sequence_mixture", "product"):
        assert skew_kl_coefficient(q, p, 0.0, sequence, form).tolist() == [0.0] * 3
        assert skew_kl_coefficient(q, p, 1.0, sequence, form).tolist() == [1.0] * 3
    at_zero = skew_reverse_kl_coefficient(q, p, 0.0, sequence)
    assert at_zero.tolist() == pytest.approx((p - q - 1).tolist(), abs=1e-15)
    assert skew_reverse_kl_coefficient(q, p, 1.0, sequence).tolist() == [0.0] * 3
    for alpha, end in ((1e-9, 0.0), (1 - 1e-9, 1.0)):
        for coefficient in (skew_kl_coefficient, skew_reverse_kl_coefficient):
            near, at = coefficient(q, p, alpha, sequence), coefficient(q, p, end, sequence)
            torch.testing.assert_close(near, at, rtol=0, atol=1e-6)


def _coefficient(c: float, alpha: torch.Tensor, **options) -> torch.Tensor:
    log_c = torch.full_like(alpha, math.log(c))
    return skew_reverse_kl_coefficient(
        torch.zeros_like(alpha), log_c, alpha, torch.arange(len(alpha)), **options
    )


@pytest.mark.parametrize("c", [0.01, 0.5, 1.0, 1.9, 2.0])
def test_reverse_coefficient_rises_with_alpha_up_to_c_of_2(c):
    """lambda_SRKL rises in alpha up to c = 2; for c < 1 it lies in (log c - 1, 0), not (-1, 0)."""
    alpha = torch.linspace(0.001, 0.999, 200, dtype=torch.float64)
    values = _coefficient(c, alpha)
    assert (values.diff() > 0).all()
    if c < 1:
        assert math.log(c) - 1 < values.min() < values.max() < 0
        assert values.min() < -1


def test_reverse_coefficient_beyond_c_of_2():
    """Above 2 it falls first; above e it is positive at small alpha: it pulls up."""
    alpha = torch.linspace(0.001, 0.999, 200, dtype=torch.float64)
    assert (_coefficient(2.2, alpha).diff() < 0).any()
    at_5 = _coefficient(5.0, torch.tensor([0.01, 0.8, 0.9], dtype=torch.float64))
    assert at_5[0] > 0
    assert at_5[1] > 0
    assert at_5[2] < 0


def test_forward_coefficient_damps_what_the_student_lacks():
    """lambda_SKL rises with alpha and falls with c = p/q."""
    alpha = torch.linspace(0, 1, 50, dtype=torch.float64)
    log_c = torch.full_like(alpha, math.log(3.0))
    rising = skew_kl_coefficient(torch.zeros_like(alpha), log_c, alpha, torch.arange(50))
    assert (rising.diff() > 0).all()
    log_c = torch.log(torch.tensor([0.5, 1.0, 20.0], dtype=torch.float64))
    falling = skew_kl_coefficient(torch.zeros(3).double(), log_c, 0.5, torch.arange(3))
    assert falling.tolist() == pytest.approx([2 / 3, 1 / 2, 1 / 21])


def test_product_form_vanishes_and_breaks():
    """Eq. 10 decays like alpha^T, Eq. 11's logarithm is NaN for c > 1 + 1/alpha."""
    length = 32
    zeros, one_sequence = torch.zeros(length).double(), torch.zeros(length).long()
    decayed = skew_kl_coefficient(zeros, zeros, 0.5, one_sequence, form="product")
    assert decayed.tolist() == pytest.approx([0.5**32] * length)
    log_c = torch.log(torch.tensor([2.9, 3.1], dtype=torch.float64))
    broken = skew_reverse_kl_coefficient(
        torch.zeros(2).double(), log_c, 0.5, torch.arange(2), form="product"
    )
    assert broken.isnan().tolist() == [False, True]


def test_product_form_as_printed():
    """Eq. 11 by hand on two tokens: sum and product from each token to the end."""
    c, alpha = torch.tensor([0.5, 1.5], dtype=torch.float64), 0.4
    value = skew_reverse_kl_coefficient(
        torch.zeros(2).double(), c.log(), alpha, torch.zeros(2).long(), form="product"
    )
    log_terms = torch.log((1 - c) * alpha + 1)
    share = 1 / (1 + (1 / alpha - 1) * c)
    expected = [log_terms.sum() + share.prod() - 1, log_terms[1] + share[1] - 1]
    assert value.tolist() == pytest.approx([x.item() for x in expected])


@pytest.mark.parametrize("form", ["token", "sequence_mixture", "product"])
def test_sequences_do_not_mix(form):
    """A batch gives what its sequences give one by one, whatever their indices."""
    generator = torch.Generator().manual_seed(2)
    q, p = -torch.rand(2, 9, generator=generator, dtype=torch.float64)
    alpha = torch.tensor([0.3] * 4 + [0.8] + [0.5] * 4, dtype=torch.float64)
    sequence = torch.tensor([2] * 4 + [3] + [7] * 4)
    parts = [slice(0, 4), slice(4, 5), slice(5, 9)]
    for coefficient in (
        partial(skew_kl_coefficient, form=form),
        partial(skew_reverse_kl_coefficient, form=form, returns="reward_to_go"),
    ):
        together = coefficient(q, p, alpha, sequence)
        alone = [coefficient(q[i], p[i], alpha[i], sequence[i]) for i in parts]
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-14, atol=0)


@pytest.mark.parametrize("form", ["token", "sequence_mixture"])
@pytest.mark.parametrize("alpha", [0.0, 1e-6, 0.5, 1.0])
def test_extreme_inputs(form, alpha):
    """Finite in float32 for long sequences and log-ratios far beyond exp's range."""
    sequence = torch.arange(4).repeat_interleave(1000)
    q = torch.tensor([-300.0, -1e-6, -20.0, -0.5]).repeat_interleave(1000)
    p = torch.tensor([-1e-6, -300.0, -0.5, -20.0]).repeat_interleave(1000)
    for coefficient in (
        skew_kl_coefficient(q, p, alpha, sequence, form),
        skew_reverse_kl_coefficient(q, p, alpha, sequence, form, "reward_to_go"),
    ):
        assert coefficient.dtype == torch.float32
        assert coefficient.isfinite().all()


def test_token_that_the_teacher_excludes():
    """p(y_t) = 0 bounds the push by log alpha."""
    q, p = torch.tensor([-1.0]), torch.tensor([-math.inf])
    value = skew_reverse_kl_coefficient(q, p, 0.25, torch.zeros(1).long())
    assert value.item() == pytest.approx(math.log(0.25))


@pytest.mark.parametrize("coefficient", [skew_kl_coefficient, skew_reverse_kl_coefficient])
def test_coefficients_carry_no_gradient(coefficient):
    """Neither the models nor alpha are reached through lambda."""
    q, p, alpha = (torch.full((3,), x, requires_grad=True) for x in (-1.0, -2.0, 0.5))
    assert not coefficient(q, p, alpha, torch.arange(3)).requires_grad


@pytest.mark.parametrize("importance", ["none", "ratio", "clipped"])
def test_gradient_of_surrogate_is_minus_the_coefficient(importance):
    """On-policy the gradient is -lambda, also if lambda and log q_old have a history."""
    logprob = torch.tensor([-1.0, -0.2, -3.0], requires_grad=True)
    coefficient = 2 * logprob + 1
    loss = surrogate(logprob, coefficient, sampler_logprob=1 * logprob, importance=importance)
    (gradient,) = torch.autograd.grad(loss.sum(), logprob)
    torch.testing.assert_close(gradient, -coefficient.detach())


def test_ratio_corrects_the_sampler():
    """Outputs of an older student, reweighted, have the expectation of fresh ones (one token)."""
    space = tabular.SequenceSpace(vocabulary=4, length=1)
    generator = torch.Generator().manual_seed(3)
    student, old, teacher = torch.randn(3, 1, 4, generator=generator, dtype=torch.float64)
    sampler_logprob = space.token_logprobs(old).flatten()

    def stale(q, _, sequence, importance):
        p = space.token_logprobs(teacher).flatten()
        coefficient = skew_reverse_kl_coefficient(q, p, 0.3, sequence)
        return surrogate(q, coefficient, sampler_logprob, importance)

    leaf = student.clone().requires_grad_()
    (exact,) = torch.autograd.grad(tabular.skew_reverse_kl(space, leaf, teacher, 0.3), leaf)
    # The "teacher" slot holds the old student here: it is the model that draws the sequences.
    gradient = {
        importance: tabular.expected_gradient(
            space, student, old, partial(stale, importance=importance), "teacher"
        )
        for importance in ("none", "ratio")
    }
    assert (gradient["ratio"] - exact).abs().max() < 1e-14
    assert (gradient["none"] - exact).norm() > 0.1 * exact.norm()


def test_clipping_is_pessimistic():
    """A ratio beyond the range loses its gradient only where it has moved as lambda asked."""
    ratios = torch.tensor([0.7, 0.7, 1.3, 1.3, 1.1, 1.1])
    coefficient = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    logprob = ratios.log().requires_grad_()
    loss = surrogate(logprob, coefficient, torch.zeros(6), "clipped", clip_range=0.2)
    assert loss.tolist() == pytest.approx([-0.7, 0.8, -1.2, 1.3, -1.1, 1.1])
    (gradient,) = torch.autograd.grad(loss.sum(), logprob)
    assert gradient.tolist() == pytest.approx([-0.7, 0.0, 0.0, 1.3, -1.1, 1.1])


def test_no_tokens():
    """A micro-batch without response tokens gives empty coefficients."""
    empty, sequence = torch.empty(0), torch.empty(0, dtype=torch.int64)
    for form in ("token", "sequence_mixture", "product"):
        assert skew_kl_coefficient(empty, empty, 0.5, sequence, form).shape == (0,)
        value = skew_reverse_kl_coefficient(empty, empty, 0.5, sequence, form, "reward_to_go")
        assert value.shape == (0,)


def test_bad_arguments():
    """One clear error each."""
    x, sequence = torch.zeros(3), torch.arange(3)
    with pytest.raises(ValueError, match="form must be one of token"):
        skew_kl_coefficient(x, x, 0.5, sequence, form="tokens")
    with pytest.raises(ValueError, match="returns must be one of myopic"):
        skew_reverse_kl_coefficient(x, x, 0.5, sequence, returns="rtg")
    with pytest.raises(ValueError, match="constant must be one of keep"):
        skew_reverse_kl_coefficient(x, x, 0.5, sequence, constant="no")
    with pytest.raises(ValueError, match="one shape"):
        skew_kl_coefficient(x, x[:2], 0.5, sequence)
    with pytest.raises(ValueError, match="alpha"):
        skew_kl_coefficient(x, x, torch.zeros(2), sequence)
    with pytest.raises(ValueError, match="decrease"):
        skew_kl_coefficient(x, x, 0.5, torch.tensor([0, 1, 0]))
    with pytest.raises(ValueError, match="importance must be one of none"):
        surrogate(x, x, importance="ppo")
    with pytest.raises(ValueError, match="needs sampler_logprob"):
        surrogate(x, x, importance="ratio")
