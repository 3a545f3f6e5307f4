"""Numbers that the official code of each method gave on one small input.

The reference values were evaluated once, in float64. TRL and DistiLLM force float32 inside; their
digits still agree with float64 to the tolerance used here, 1e-6.
"""

from __future__ import annotations

import pytest
import torch

from askd.objectives import (
    adaptive_kl,
    forward_kl,
    generalized_jsd,
    head_share,
    nll,
    normalized_returns,
    policy_gradient,
    reverse_kl,
    skew_kl,
    skew_kl_coefficient,
    skew_reverse_kl,
    skew_reverse_kl_coefficient,
    surrogate,
    token_weights,
    whiten,
)

BATCH, LENGTH, VOCABULARY = 2, 5, 6
LABELS = torch.tensor([[-100, -100, 1, 2, 3], [-100, 4, 0, -100, -100]])
IS_RESPONSE = LABELS[:, 1:] != -100
TARGETS = LABELS[:, 1:][IS_RESPONSE]
LENGTHS = torch.tensor([3, 2])
SEQUENCE = torch.tensor([0, 0, 0, 1, 1])
ADAPTED = torch.tensor([0.1, 0.1, 0.1, 0.01, 0.01], dtype=torch.float64)


def _logits() -> tuple[torch.Tensor, torch.Tensor]:
    b = torch.arange(1, BATCH + 1, dtype=torch.float64)[:, None, None]
    t = torch.arange(1, LENGTH + 1, dtype=torch.float64)[:, None]
    v = torch.arange(1, VOCABULARY + 1, dtype=torch.float64)
    student = 2 * torch.sin(1.3 * b + 0.7 * t * v)
    teacher = 2 * torch.cos(0.9 * b + 0.5 * t * v)
    return student, teacher


def _response_logprobs(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, :-1][IS_RESPONSE].log_softmax(-1)


def _negative_entropy(teacher: torch.Tensor) -> torch.Tensor:
    return (teacher.exp() * teacher).sum(-1)


def _evaluate(objective, reduction: str, temperature: float = 1.0) -> tuple[float, float, float]:
    student, teacher = _logits()
    student.requires_grad_()
    loss = objective(
        _response_logprobs(student / temperature), _response_logprobs(teacher / temperature)
    )
    weights = token_weights(LENGTHS, reduction, sequences_in_step=2, tokens_in_step=5)
    total = (weights * loss).sum()
    (gradient,) = torch.autograd.grad(total, student)
    return total.item(), gradient.norm().item(), gradient[0, 1, 0].item()


# DistiLLM-1 and LMOps minimise a cross-entropy, which leaves out the entropy of the teacher.
REFERENCE = {
    "forward KL (TRL JSD 0)": (
        forward_kl,
        "token",
        (0.79365145, 0.22150350, 0.02967655),
    ),
    "reverse KL (DistiLLM-1 reverse_kl, MiniLLM's regulariser)": (
        reverse_kl,
        "token",
        (0.71502946, 0.22548653, 0.04257291),
    ),
    "AKL 0.5": (
        lambda q, p: adaptive_kl(q, p, 0.5),
        "token",
        (0.72575921, 0.19295617, 0.04217430),
    ),
    "TRL JSD 0 (forward KL)": (
        lambda q, p: generalized_jsd(q, p, 0),
        "token",
        (0.79365145, 0.22150350, 0.02967655),
    ),
    "TRL JSD 0.1 (DistiLLM-1 js_distance)": (
        lambda q, p: generalized_jsd(q, p, 0.1),
        "token",
        (0.06478044, 0.01537628, 0.00248458),
    ),
    "TRL JSD 0.5": (
        lambda q, p: generalized_jsd(q, p, 0.5),
        "token",
        (0.15618949, 0.03290721, 0.00711013),
    ),
    "TRL JSD 0.9": (
        lambda q, p: generalized_jsd(q, p, 0.9),
        "token",
        (0.05937024, 0.01517706, 0.00337289),
    ),
    "TRL JSD 1 (reverse KL)": (
        lambda q, p: generalized_jsd(q, p, 1),
        "token",
        (0.71502946, 0.22548653, 0.04257291),
    ),
    "DistiLLM-1 forward_kl": (
        lambda q, p: forward_kl(q, p) - _negative_entropy(p),
        "token",
        (2.03375411, 0.22150350, 0.02967654),
    ),
    "DistiLLM-1 skewed_forward_kl 0.1": (
        lambda q, p: skew_kl(q, p, 0.9) - _negative_entropy(p),
        "token",
        (1.78010440, 0.11549741, 0.02143126),
    ),
    "DistiLLM-1 skewed_reverse_kl 0.1": (
        lambda q, p: skew_reverse_kl(q, p, 0.1),
        "token",
        (0.50721359, 0.11433418, 0.02703494),
    ),
    "DistiLLM-2 SKL 0.1": (
        lambda q, p: skew_kl(q, p, 0.9),
        "sequence",
        (0.48693615, 0.10781673, 0.01785939),
    ),
    "DistiLLM-2 SRKL 0.1": (
        lambda q, p: skew_reverse_kl(q, p, 0.1, detach_mixture=True),
        "sequence",
        (0.45425516, 0.13308018, 0.02810743),
    ),
    "DistiLLM-2 SKL, alpha (0.1, 0.01) by sequence": (
        lambda q, p: skew_kl(q, p, 1 - ADAPTED),
        "sequence",
        (0.52687969, 0.13596500, 0.01785939),
    ),
    "DistiLLM-2 SRKL, alpha (0.1, 0.01) by sequence": (
        lambda q, p: skew_reverse_kl(q, p, ADAPTED, detach_mixture=True),
        "sequence",
        (0.47250117, 0.13596680, 0.02810743),
    ),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_loss_and_gradient_of_reference(name):
    """Loss, norm of the gradient and one derivative are those of the official code."""
    objective, reduction, expected = REFERENCE[name]
    assert _evaluate(objective, reduction) == pytest.approx(expected, rel=1e-6)


def test_jsd_at_another_temperature():
    """A softmax temperature is the caller's affair: divide both models' logits."""
    result = _evaluate(lambda q, p: generalized_jsd(q, p, 0.5), "token", temperature=0.9)
    assert result == pytest.approx((0.17599238, 0.03582443, 0.00779815), rel=1e-6)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (lambda q, p: skew_kl(q, p, 0.9), (0.75226363, 0.22160866)),
        (lambda q, p: skew_reverse_kl(q, p, 0.1), (0.71904702, 0.18946329)),
        (lambda q, p: generalized_jsd(q, p, 0.9), (0.08503845, 0.02086793)),
        (forward_kl, (1.11434459, 0.31261173)),
    ],
    ids=["skl", "srkl", "gkd", "kd"],
)
def test_distillm2_means_by_sequence(objective, expected):
    """Per-sequence means of DistiLLM-2's losses."""
    student, teacher = map(_response_logprobs, _logits())
    means = [part.mean().item() for part in objective(student, teacher).split([3, 2])]
    assert means == pytest.approx(expected, rel=1e-6)


def test_head_shares_of_akl():
    """AKL's weight of the forward KL at every position, prompt included."""
    student, teacher = (logits.log_softmax(-1) for logits in _logits())
    expected = (
        (0.35173815, 0.03090834, 0.47195682, 0.30313453, 0.10967894),
        (0.31424004, 0.26445779, 0.41389292, 0.04673321, 0.26884237),
    )
    for q, p, shares in zip(student, teacher, expected, strict=True):
        # AKL computes in float32.
        assert head_share(q, p, 0.5).tolist() == pytest.approx(shares, abs=2e-7)


def _sampled() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    student, teacher = map(_response_logprobs, _logits())
    token = torch.arange(len(TARGETS))
    alpha = torch.tensor([0.8, 0.8, 0.8, 0.3, 0.3], dtype=torch.float64)
    return student[token, TARGETS], teacher[token, TARGETS], alpha


def test_likelihood_by_sequence():
    """Mean log-likelihoods of the targets under student and teacher."""
    student, teacher, _ = _sampled()
    for logprob, expected in (
        (student, (-2.36780931, -2.88735375)),
        (teacher, (-3.32062946, -3.10841873)),
    ):
        means = [-part.mean().item() for part in nll(logprob).split([3, 2])]
        assert means == pytest.approx(expected, rel=1e-6)


def test_nll_is_cross_entropy():
    """The NLL is torch's cross-entropy on shifted labels."""
    student, _ = _logits()
    expected = torch.nn.functional.cross_entropy(
        student[:, :-1].flatten(0, 1), LABELS[:, 1:].flatten(), ignore_index=-100
    )
    weights = token_weights(LENGTHS, "token", sequences_in_step=2, tokens_in_step=5)
    loss = (weights * nll(_sampled()[0])).sum()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


# MiniLLM's own example: rewards of two responses of 4 and 3 tokens.
REWARDS = torch.tensor([0.5, -1.0, 2.0, 0.25, 1.0, 0.5, -0.75], dtype=torch.float64)
RETURNS = (0.39233592, 0.37520829, 1.11874998, 0.25, 0.26604167, -0.10624999, -0.75)
# With the zero at the padding position of the second, which LMOps whitens too.
WHITENED = (
    *(0.37673807, 0.34432504, 1.75143383, 0.10737573),
    *(0.13773364, -0.56680638, -1.78506529, -0.36573455),
)


def test_returns_of_minillm():
    """Discounted rewards to go, divided by the number of tokens that remain."""
    returns = normalized_returns(REWARDS, torch.tensor([0, 0, 0, 0, 1, 1, 1]), 0.95)
    assert returns.tolist() == pytest.approx(RETURNS, rel=1e-6)


def test_whitening_of_minillm():
    """The same formula; that padding takes no part is the caller's affair."""
    values = torch.tensor([*RETURNS, 0.0], dtype=torch.float64)
    assert whiten(values, values).tolist() == pytest.approx(WHITENED, rel=1e-6)
    own = torch.tensor(RETURNS, dtype=torch.float64)
    assert whiten(own, own).sum().item() == pytest.approx(0, abs=1e-12)


def test_policy_gradient_loss_of_minillm():
    """PPO's loss with the importance weight of the mixture inside the clip."""
    logprob = torch.tensor([-1, -2, -0.5, -3, -0.7, -1.1, -2.2], dtype=torch.float64)
    log_rho = torch.tensor([0.1, -0.3, 0.5, 0, -0.2, 0.05, 0.4], dtype=torch.float64)
    weight = torch.tensor([1.1, 0.9, 1, 0.6, 0.8, 1.2, 1], dtype=torch.float64)
    # log m = log q_old - log w.
    sampler = logprob - log_rho - weight.log()
    advantage = torch.tensor(WHITENED[:-1], dtype=torch.float64)
    # Two tokens, so that all else has a probability; equal models, so that there is no KL.
    other = torch.log1p(-logprob.exp())
    models = torch.stack([logprob, other], dim=1)
    target = torch.zeros(7, dtype=torch.int64)
    loss = policy_gradient(models, models, target, sampler, advantage, clip_range=0.2)
    assert loss.mean().item() == pytest.approx(0.06286086, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0.85626781, 0.82829916, 0.97489081, 0.25393677, 0.45642564)),
        ({"form": "product"}, (0.69143731,) * 3 + (0.11590325,) * 2),
        ({"form": "sequence_mixture"}, (0.98586346,) * 3 + (0.40007133,) * 2),
    ],
    ids=["token", "product", "sequence_mixture"],
)
def test_skew_kl_coefficients(options, expected):
    """Coefficients of Eq. 8 in its three forms."""
    student, teacher, alpha = _sampled()
    coefficient = skew_kl_coefficient(student, teacher, alpha, SEQUENCE, **options)
    assert coefficient.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ("myopic", (-0.21170365, -0.20646351, -0.22282294, -0.57936606, -0.96321768)),
        ("reward_to_go", (-0.44418006, -0.40417725, -0.22282294, -0.99900938, -0.96321768)),
    ],
)
def test_skew_reverse_kl_coefficients(returns, expected):
    """Coefficients of Eq. 9, with one token's or all later tokens' logarithms."""
    student, teacher, alpha = _sampled()
    coefficient = skew_reverse_kl_coefficient(student, teacher, alpha, SEQUENCE, returns=returns)
    assert coefficient.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("coefficient", "reduction", "expected"),
    [
        (skew_kl_coefficient, "sequence", 1.61424987),
        (skew_kl_coefficient, "token", 1.71215131),
        (skew_reverse_kl_coefficient, "sequence", -1.46138788),
    ],
)
def test_surrogate_values(coefficient, reduction, expected):
    """The surrogate -lambda log q under both reductions."""
    student, teacher, alpha = _sampled()
    loss = surrogate(student, coefficient(student, teacher, alpha, SEQUENCE))
    weights = token_weights(LENGTHS, reduction, sequences_in_step=2, tokens_in_step=5)
    assert (weights * loss).sum().item() == pytest.approx(expected, rel=1e-6)
