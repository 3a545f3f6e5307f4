"""The sampler: numbers that belong to one response, and draws from the warped distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from askd.rollout.sampler import InverseTransformSampler, uniforms

COUNT = 20_000


def scores(vocabulary: int = 12) -> torch.Tensor:
    return 2 * torch.randn(vocabulary, generator=torch.Generator().manual_seed(0))


def warped(scores: torch.Tensor, temperature: float, top_p: float) -> np.ndarray:
    """The distribution that is meant: the smallest set of tokens with mass `top_p`."""
    probabilities = (scores.double() / temperature).softmax(-1).numpy()
    kept, mass = np.zeros(len(probabilities), bool), 0.0
    for token in np.argsort(-probabilities):
        if mass >= top_p:
            break
        kept[token] = True
        mass += probabilities[token]
    return np.where(kept, probabilities, 0) / probabilities[kept].sum()


def draw(scores, numbers, temperature=1.0, top_p=1.0, vocabulary=None):
    """Tokens and log-probabilities for each uniform number, all from the same scores."""
    numbers = torch.as_tensor(numbers, dtype=torch.float64)
    sampler = InverseTransformSampler(
        numbers[:, None], temperature, top_p, vocabulary or len(scores)
    )
    batch = scores.expand(len(numbers), -1)
    result = sampler(torch.zeros(len(numbers), 1, dtype=torch.long), batch.clone())
    assert (result.isfinite().sum(-1) == 1).all()
    return result.argmax(-1).numpy(), sampler.logprobs[0].numpy()


def test_uniforms_are_uniform_reproducible_and_do_not_depend_on_their_count():
    numbers = uniforms(0, "s", "p", 0, COUNT)
    assert numbers.dtype == np.float64
    assert (numbers >= 0).all() and (numbers < 1).all()
    assert kstest(numbers, "uniform").pvalue > 0.01
    assert np.array_equal(uniforms(0, "s", "p", 0, 7), numbers[:7])


def test_uniforms_belong_to_seed_stream_prompt_and_sample():
    keys = [
        (seed, stream, prompt, sample)
        for seed in (0, 1)
        for stream in ("teacher", "student round 1")
        for prompt in ("train-1", "train-11")
        for sample in (0, 1)
    ]
    first = [uniforms(*key, 3)[0] for key in keys]
    assert len(set(first)) == len(keys)
    assert (
        abs(np.corrcoef(uniforms(0, "s", "p", 0, COUNT), uniforms(0, "s", "p", 1, COUNT))[0, 1])
        < 0.05
    )


def test_parts_of_the_key_do_not_run_into_each_other():
    assert uniforms(1, "1", "p", 0, 1) != uniforms(11, "", "p", 0, 1)
    assert uniforms(0, "s", "p1", 0, 1) != uniforms(0, "s", "p", 10, 1)


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.5, 1.0), (1.0, 0.8), (0.7, 0.8)]
)
def test_a_grid_of_numbers_gives_the_distribution_exactly(temperature, top_p):
    expected = warped(scores(), temperature, top_p)
    tokens, logprobs = draw(scores(), (np.arange(COUNT) + 0.5) / COUNT, temperature, top_p)
    frequencies = np.bincount(tokens, minlength=len(expected)) / COUNT
    assert np.abs(frequencies - expected).max() < 2 / COUNT
    assert np.allclose(logprobs, np.log(expected[tokens]), atol=1e-5)


def test_tokens_outside_the_nucleus_never_occur():
    expected = warped(scores(), 1.0, 0.8)
    assert (expected == 0).sum() >= 3
    tokens, _ = draw(scores(), np.linspace(0, 1, COUNT, endpoint=False), 1.0, 0.8)
    assert set(tokens) == set(np.flatnonzero(expected))


@pytest.mark.parametrize("number", [0.0, np.nextafter(1, 0), 1 - 2**-53])
def test_extreme_numbers_give_a_token_that_has_mass(number):
    excluded = torch.tensor([-torch.inf, -torch.inf, 0.0, 1.0, -torch.inf])
    tokens, logprobs = draw(excluded, [number])
    assert tokens[0] in (2, 3) and np.isfinite(logprobs[0])


def test_a_large_vocabulary_keeps_its_last_token():
    """Sums of float32 over many tokens would miss mass at the end."""
    flat = torch.zeros(200_000)
    tokens, _ = draw(flat, [0.25, 0.5, np.nextafter(1, 0)])
    assert tokens.tolist() == [50_000, 100_000, 199_999]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_padding_of_a_head_has_no_mass(temperature):
    padded = torch.cat([scores(), torch.full((5,), 100.0)])
    grid = (np.arange(COUNT) + 0.5) / COUNT
    tokens, logprobs = draw(padded, grid, temperature, vocabulary=12)
    expected_tokens, expected_logprobs = draw(scores(), grid, temperature)
    assert np.array_equal(tokens, expected_tokens)
    assert np.allclose(logprobs, expected_logprobs, atol=1e-6)


def test_greedy_takes_the_most_probable_token_with_logprob_zero():
    tokens, logprobs = draw(scores(), [0.0, 0.5, 0.99], temperature=0)
    assert (tokens == scores().argmax().item()).all()
    assert (logprobs == 0).all()


def test_each_step_uses_its_own_number_and_each_row_too():
    sampler = InverseTransformSampler(
        torch.tensor([[0.15, 0.95], [0.65, 0.45]]).double(), 1.0, 1.0, 10
    )
    flat = torch.zeros(2, 10)
    drawn = [sampler(torch.zeros(2, 1, dtype=torch.long), flat).argmax(-1).tolist() for _ in "ab"]
    assert drawn == [[1, 6], [9, 4]]
    assert len(sampler.logprobs) == 2
