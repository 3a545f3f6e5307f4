"""The enumerated model, and the exact expectations of the sampled estimators that it gives."""

from __future__ import annotations

import itertools
import math
from functools import partial

import pytest
import torch

from askd import objectives
from askd.objectives import skew_kl_coefficient, skew_reverse_kl_coefficient, surrogate
from askd.theory import tabular

SPACE = tabular.SequenceSpace(vocabulary=3, length=3)
ALPHAS = [0.2, 0.5, 0.9]


def _models(space: tabular.SequenceSpace = SPACE, scale: float = 1.0):
    generator = torch.Generator().manual_seed(0)
    shape = (2, space.prefix_count, space.vocabulary)
    student, teacher = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    return student, teacher


@pytest.mark.parametrize(("vocabulary", "length"), [(1, 3), (2, 1), (3, 3), (4, 2)])
def test_enumeration(vocabulary, length):
    """All sequences once, in lexicographic order; one row of logits for each distinct prefix."""
    space = tabular.SequenceSpace(vocabulary, length)
    sequences = [tuple(row) for row in space.tokens.tolist()]
    assert sequences == list(itertools.product(range(vocabulary), repeat=length))
    assert space.sequence_count == len(sequences)
    row_of = {}
    for sequence, rows in zip(sequences, space.prefixes.tolist(), strict=True):
        for t, row in enumerate(rows):
            assert row_of.setdefault(sequence[:t], row) == row
    prefixes = [
        prefix for t in range(length) for prefix in itertools.product(range(vocabulary), repeat=t)
    ]
    assert [row_of[prefix] for prefix in prefixes] == list(range(space.prefix_count))


def test_probabilities():
    """They sum to one, and follow the chain rule."""
    student, _ = _models()
    logprobs = SPACE.token_logprobs(student)
    assert logprobs.sum(1).exp().sum().item() == pytest.approx(1, abs=1e-14)
    table = student.softmax(-1)
    index = SPACE.tokens.tolist().index([2, 0, 1])
    # Rows: 0 is the empty prefix, 1 + a the prefix (a), 4 + 3 a + b the prefix (a, b).
    expected = table[0, 2] * table[3, 0] * table[10, 1]
    assert logprobs[index].sum().exp().item() == pytest.approx(expected.item(), rel=1e-14)


def _by_hand(student, teacher, alpha: float, mixture: str, reverse: bool) -> float:
    """The divergence in Python numbers, one sequence after the other (V = T = 2)."""
    q, p = student.softmax(-1).tolist(), teacher.softmax(-1).tolist()
    total = 0.0
    for a, b in itertools.product(range(2), repeat=2):
        q_tokens, p_tokens = (q[0][a], q[1 + a][b]), (p[0][a], p[1 + a][b])
        q_sequence, p_sequence = math.prod(q_tokens), math.prod(p_tokens)
        if mixture == "token":
            pairs = zip(q_tokens, p_tokens, strict=True)
            m = math.prod((1 - alpha) * p_t + alpha * q_t for q_t, p_t in pairs)
        else:
            m = (1 - alpha) * p_sequence + alpha * q_sequence
        x = q_sequence if reverse else p_sequence
        total += x * math.log(x / m)
    return total


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("mixture", ["token", "sequence"])
def test_divergences_by_hand(mixture, alpha):
    """Against four sequences written out."""
    space = tabular.SequenceSpace(vocabulary=2, length=2)
    student, teacher = _models(space)
    for divergence, reverse in ((tabular.skew_kl, False), (tabular.skew_reverse_kl, True)):
        value = divergence(space, student, teacher, alpha, mixture).item()
        expected = _by_hand(student, teacher, alpha, mixture, reverse)
        assert value == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_token_and_sequence_mixtures_differ():
    """Between the ends of alpha they are two divergences; at the ends one."""
    student, teacher = _models()
    for divergence in (tabular.skew_kl, tabular.skew_reverse_kl):
        gap = {
            alpha: (
                divergence(SPACE, student, teacher, alpha, "token")
                - divergence(SPACE, student, teacher, alpha, "sequence")
            ).item()
            for alpha in (0.0, 0.5, 1.0)
        }
        assert gap[0.0] == pytest.approx(0, abs=1e-14)
        assert gap[1.0] == pytest.approx(0, abs=1e-14)
        assert abs(gap[0.5]) > 1e-3


@pytest.mark.parametrize("mixture", ["token", "sequence"])
@pytest.mark.parametrize("divergence", [tabular.skew_kl, tabular.skew_reverse_kl])
def test_gradient_by_finite_differences(divergence, mixture):
    """Also with one alpha per sequence."""
    space = tabular.SequenceSpace(vocabulary=2, length=2)
    student, teacher = _models(space)
    student.requires_grad_()
    for alpha in (0.3, torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64)):
        assert torch.autograd.gradcheck(
            lambda s, a=alpha: divergence(space, s, teacher, a, mixture), student
        )


def test_expected_gradient_of_likelihood():
    """Under the teacher, -log q has the gradient of the KL; under the student, none."""
    student, teacher = _models()

    def likelihood(student_logprob, teacher_logprob, sequence):
        return -student_logprob

    leaf = student.clone().requires_grad_()
    (exact,) = torch.autograd.grad(tabular.skew_kl(SPACE, leaf, teacher, 1.0), leaf)
    gradient = tabular.expected_gradient(SPACE, student, teacher, likelihood, "teacher")
    assert (gradient - exact).abs().max() < 1e-14
    gradient = tabular.expected_gradient(SPACE, student, teacher, likelihood, "student")
    assert gradient.abs().max() < 1e-14


def test_expected_gradient_hands_out_whole_sequences():
    """The surrogate sees the tokens of one sequence after the other."""
    student, teacher = _models()
    seen = {}

    def record(student_logprob, teacher_logprob, sequence):
        seen.update(student=student_logprob, teacher=teacher_logprob, sequence=sequence)
        return student_logprob

    tabular.expected_gradient(SPACE, student, teacher, record, "student")
    assert seen["sequence"].tolist() == [i for i in range(27) for _ in range(3)]
    torch.testing.assert_close(seen["student"].view(27, 3), SPACE.token_logprobs(student))
    torch.testing.assert_close(seen["teacher"].view(27, 3), SPACE.token_logprobs(teacher))


def test_unknown_mixture():
    """One clear error."""
    student, teacher = _models()
    with pytest.raises(ValueError, match="mixture must be one of token, sequence"):
        tabular.skew_kl(SPACE, student, teacher, 0.5, "tokens")


def _expected(student, teacher, coefficient, sampler, alpha, **options) -> torch.Tensor:
    """Expected gradient of the surrogate; alpha is a number or one per sequence."""
    if isinstance(alpha, torch.Tensor):
        alpha = alpha.repeat_interleave(SPACE.length)

    def loss(student_logprob, teacher_logprob, sequence):
        return surrogate(
            student_logprob,
            coefficient(student_logprob, teacher_logprob, alpha, sequence, **options),
        )

    return tabular.expected_gradient(SPACE, student, teacher, loss, sampler)


_skl = partial(_expected, coefficient=skew_kl_coefficient, sampler="teacher")
_srkl = partial(_expected, coefficient=skew_reverse_kl_coefficient, sampler="student")


def _exact(divergence, student, teacher, alpha, mixture="token") -> torch.Tensor:
    student = student.clone().requires_grad_()
    value = divergence(SPACE, student, teacher, alpha, mixture)
    return torch.autograd.grad(value, student)[0]


def _relative_error(gradient, reference) -> float:
    return ((gradient - reference).norm() / reference.norm()).item()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_skew_kl_is_exact(alpha):
    """Token and sequence mixtures give the gradient of the divergence they belong to."""
    student, teacher = _models()
    for form, mixture in (("token", "token"), ("sequence_mixture", "sequence")):
        exact = _exact(tabular.skew_kl, student, teacher, alpha, mixture)
        gradient = _skl(student, teacher, alpha=alpha, form=form)
        assert (gradient - exact).abs().max() <= 1e-10
        assert exact.norm() > 1e-3


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("constant", ["keep", "drop"])
def test_skew_reverse_kl_is_exact(alpha, constant):
    """So does SRKL with reward-to-go, with the constant or without it."""
    student, teacher = _models()
    for form, mixture in (("token", "token"), ("sequence_mixture", "sequence")):
        exact = _exact(tabular.skew_reverse_kl, student, teacher, alpha, mixture)
        gradient = _srkl(
            student, teacher, alpha=alpha, form=form, returns="reward_to_go", constant=constant
        )
        assert (gradient - exact).abs().max() <= 1e-10
        assert exact.norm() > 1e-3


@pytest.mark.parametrize("alpha", ALPHAS)
def test_printed_product_is_not_a_gradient(alpha):
    """Eqs. 10 and 11 as printed miss the gradient of both kinds of mixture by more than 10 %."""
    student, teacher = _models(scale=0.3)
    for mixture in ("token", "sequence"):
        exact = _exact(tabular.skew_kl, student, teacher, alpha, mixture)
        assert _relative_error(_skl(student, teacher, alpha=alpha, form="product"), exact) > 0.1
        exact = _exact(tabular.skew_reverse_kl, student, teacher, alpha, mixture)
        assert _relative_error(_srkl(student, teacher, alpha=alpha, form="product"), exact) > 0.1


@pytest.mark.parametrize("alpha", ALPHAS)
def test_myopic_return_is_biased_for_sequences(alpha):
    """A token's own logarithm alone is not the gradient of the divergence of sequences."""
    student, teacher = _models()
    exact = _exact(tabular.skew_reverse_kl, student, teacher, alpha)
    assert _relative_error(_srkl(student, teacher, alpha=alpha, returns="myopic"), exact) > 0.1


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("constant", ["keep", "drop"])
def test_myopic_return_is_exact_for_held_prefixes(alpha, constant):
    """It is the gradient of the per-prefix divergence, over student prefixes held constant."""
    student, teacher = _models()
    gradient = _srkl(student, teacher, alpha=alpha, returns="myopic", constant=constant)
    leaf = student.clone().requires_grad_()
    per_prefix = objectives.skew_reverse_kl(leaf.log_softmax(-1), teacher.log_softmax(-1), alpha)
    probability = SPACE.token_logprobs(student).sum(1).exp()
    total = (probability[:, None] * per_prefix[SPACE.prefixes]).sum()
    (exact,) = torch.autograd.grad(total, leaf)
    assert (gradient - exact).abs().max() <= 1e-10


@pytest.mark.parametrize("alpha", ALPHAS)
def test_equal_models_with_constant_alpha_are_at_rest(alpha):
    """Where q = p the expected gradient is zero, and without the constant so is each sample's."""
    model, _ = _models()
    assert _skl(model, model, alpha=alpha).abs().max() < 1e-14
    assert _srkl(model, model, alpha=alpha).abs().max() < 1e-14
    logprob = SPACE.token_logprobs(model).flatten()
    sequence = torch.arange(SPACE.sequence_count).repeat_interleave(SPACE.length)
    dropped = skew_reverse_kl_coefficient(logprob, logprob, alpha, sequence, constant="drop")
    assert dropped.abs().max() < 1e-14


def test_equal_models_with_quality_dependent_alpha_move():
    """Then q = p is no fixed point: both sides take the REINFORCE step -grad E_q[alpha(y)]."""
    model, _ = _models()
    alpha = 0.5 + 0.4 * torch.arange(SPACE.sequence_count, dtype=torch.float64).sin()
    leaf = model.clone().requires_grad_()
    expected_alpha = (SPACE.token_logprobs(leaf).sum(1).exp() * alpha).sum()
    (step,) = torch.autograd.grad(-expected_alpha, leaf)
    assert step.norm() > 1e-2
    assert (_skl(model, model, alpha=alpha) - step).abs().max() < 1e-14
    for returns in ("myopic", "reward_to_go"):
        assert (_srkl(model, model, alpha=alpha, returns=returns) - step).abs().max() < 1e-14
    assert _srkl(model, model, alpha=alpha, constant="drop").abs().max() < 1e-14


def test_dropped_constant_away_from_rest():
    """For alpha(y) dropping removes -grad E_q[alpha(y)], whatever the models."""
    student, teacher = _models()
    alpha = torch.linspace(0.1, 0.9, SPACE.sequence_count, dtype=torch.float64)
    leaf = student.clone().requires_grad_()
    expected_alpha = (SPACE.token_logprobs(leaf).sum(1).exp() * alpha).sum()
    (step,) = torch.autograd.grad(-expected_alpha, leaf)
    removed = _srkl(student, teacher, alpha=alpha) - _srkl(
        student, teacher, alpha=alpha, constant="drop"
    )
    assert step.norm() > 1e-2
    assert (removed - step).abs().max() < 1e-14


def test_reduction_by_sequence_rewards_length_through_the_constant():
    """Weights 1/length make -1 a REINFORCE term on length, which moves even equal models."""
    model, _ = _models()
    alpha, leaf = 0.3, model.clone().requires_grad_()
    ends = (SPACE.tokens == 0).long().cumsum(1)  # token 0 ends an output; what follows is masked
    mask = (ends.cumsum(1) <= 1).double()
    length = mask.sum(1)
    weights = (mask / length[:, None]).flatten()

    def loss(q, p, sequence, constant):
        coefficient = skew_reverse_kl_coefficient(q, p, alpha, sequence, constant=constant)
        return weights * surrogate(q, coefficient)

    keep, drop = (
        tabular.expected_gradient(SPACE, model, model, partial(loss, constant=c), "student")
        for c in ("keep", "drop")
    )
    inverse_length = (SPACE.token_logprobs(leaf).sum(1).exp() / length).sum()
    (step,) = torch.autograd.grad((1 - alpha) * inverse_length, leaf)
    assert step.norm() > 1e-2
    assert (keep - step).abs().max() < 1e-14
    assert drop.abs().max() < 1e-14
