"""Token weights: the two means, and their invariance to micro-batches."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from askd.objectives import token_weights

REDUCTIONS = ["sequence", "token"]


def _losses(lengths: list[int]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(sum(lengths))
    return [torch.randn(n, generator=generator, dtype=torch.float64) for n in lengths]


def test_two_means():
    """Mean of means, and mean over all tokens; different as soon as lengths differ."""
    losses = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0])]
    step = {"sequences_in_step": 2, "tokens_in_step": 4}
    lengths = torch.tensor([3, 1])
    total = {r: (token_weights(lengths, r, **step) * torch.cat(losses)).sum() for r in REDUCTIONS}
    assert total["sequence"].item() == pytest.approx((2 + 10) / 2, rel=1e-12)
    assert total["token"].item() == pytest.approx(16 / 4, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 11)),
    reduction=st.sampled_from(REDUCTIONS),
)
def test_invariant_to_micro_batches(lengths, cuts, reduction):
    """Any split of the sequences of a step adds up to the same loss."""
    losses = _losses(lengths)
    if reduction == "sequence":
        expected = sum(loss.mean() for loss in losses) / len(losses)
    else:
        expected = torch.cat(losses).mean()
    edges = [0, *sorted(cut for cut in cuts if cut < len(lengths)), len(lengths)]
    total = torch.zeros((), dtype=torch.float64)
    for start, stop in itertools.pairwise(edges):
        weights = token_weights(
            torch.tensor(lengths[start:stop]), reduction, len(lengths), sum(lengths)
        )
        total += (weights * torch.cat(losses[start:stop])).sum()
    assert abs(total - expected) <= 1e-12


def test_weights_of_a_step_sum_to_one():
    """Whatever the reduction, a constant loss is its own mean."""
    lengths = torch.tensor([5, 1, 17])
    for reduction in REDUCTIONS:
        weights = token_weights(lengths, reduction, sequences_in_step=3, tokens_in_step=23)
        assert weights.shape == (23,)
        assert weights.sum().item() == pytest.approx(1, rel=1e-12)


def test_dtype():
    """float64 unless asked otherwise."""
    lengths = torch.tensor([2])
    for reduction in REDUCTIONS:
        assert token_weights(lengths, reduction, 1, 2).dtype == torch.float64
        assert token_weights(lengths, reduction, 1, 2, torch.float32).dtype == torch.float32


def test_no_sequences():
    """A device whose share of a step is empty contributes nothing."""
    for reduction in REDUCTIONS:
        weights = token_weights(torch.empty(0, dtype=torch.int64), reduction, 4, 9)
        assert weights.shape == (0,)


def test_bad_arguments():
    """One clear error each."""
    with pytest.raises(ValueError, match="sequence 1 has 0 response tokens"):
        token_weights(torch.tensor([3, 0]), "token", 2, 3)
    with pytest.raises(ValueError, match="reduction must be one of sequence, token"):
        token_weights(torch.tensor([3]), "mean", 1, 3)
    with pytest.raises(ValueError, match="less than this micro-batch"):
        token_weights(torch.tensor([3, 2]), "sequence", 1, 5)
    with pytest.raises(ValueError, match="less than this micro-batch"):
        token_weights(torch.tensor([3, 2]), "token", 2, 4)
