"""The engine: responses do not depend on the batch, and come from the model's own distribution."""

from __future__ import annotations

import copy
import dataclasses
import random

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from askd.config import Rollout
from askd.errors import AskdError
from askd.models.logprobs import collate, token_logprobs
from askd.rollout.engine import end_tokens, requests, sample

PLAIN = Rollout(samples_per_prompt=3, max_new_tokens=8)


@pytest.fixture(scope="module")
def wanted(teacher, prompt_rows):
    return requests(teacher, prompt_rows, 3)


@pytest.fixture(scope="module")
def rows(teacher, wanted):
    """Responses in one batch."""
    return sample(teacher, wanted, PLAIN, 0, "test")


def discrete(rows) -> list:
    return [
        [row[key] for key in ("prompt_id", "sample_id", "token_ids", "text", "finish_reason")]
        for row in rows
    ]


def logprobs(rows) -> np.ndarray:
    return np.concatenate([row["sampler_logprobs"] for row in rows])


def test_requests_are_prompts_times_samples(teacher, prompt_rows):
    made = requests(teacher, prompt_rows[:2], 2)
    assert [(r.prompt_id, r.sample_id) for r in made] == [
        ("train-0", 0),
        ("train-0", 1),
        ("train-1", 0),
        ("train-1", 1),
    ]
    assert teacher.tokenizer.decode(made[2].prompt) == "<|user|>6-1+2<|end|><|assistant|>"


def test_rows_come_in_the_order_of_the_requests(wanted, rows):
    assert [(row["prompt_id"], row["sample_id"]) for row in rows] == [
        (request.prompt_id, request.sample_id) for request in wanted
    ]
    assert len({len(request.prompt) for request in wanted}) > 2


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batch_size_does_not_matter(teacher, wanted, rows, batch_size):
    settings = PLAIN.model_copy(update={"batch_size": batch_size})
    again = sample(teacher, wanted, settings, 0, "test")
    assert discrete(again) == discrete(rows)
    assert np.allclose(logprobs(again), logprobs(rows), atol=1e-5)


def test_the_order_of_requests_does_not_matter(teacher, wanted, rows):
    order = list(range(len(wanted)))
    random.Random(0).shuffle(order)
    settings = PLAIN.model_copy(update={"batch_size": 4})
    again = sample(teacher, [wanted[number] for number in order], settings, 0, "test")
    assert discrete(again) == discrete([rows[number] for number in order])


def test_a_longer_limit_continues_the_same_responses(teacher, wanted, rows):
    longer = sample(teacher, wanted, PLAIN.model_copy(update={"max_new_tokens": 12}), 0, "test")
    for row, long in zip(rows, longer, strict=True):
        assert long["token_ids"][: len(row["token_ids"])] == row["token_ids"]


@pytest.mark.parametrize(("seed", "stream"), [(1, "test"), (0, "other")])
def test_another_seed_or_stream_gives_other_responses(teacher, wanted, rows, seed, stream):
    other = sample(teacher, wanted, PLAIN, seed, stream)
    assert discrete(other) != discrete(rows)


def test_samples_of_a_prompt_differ(rows):
    texts = {}
    for row in rows:
        texts.setdefault(row["prompt_id"], set()).add(tuple(row["token_ids"]))
    assert max(map(len, texts.values())) == 3


def test_sampler_logprobs_are_the_models_own(teacher, wanted, rows):
    batch = collate(
        [(request.prompt, row["token_ids"]) for request, row in zip(wanted, rows, strict=True)],
        teacher.tokenizer.pad_token_id,
        teacher.device,
    )
    own = token_logprobs(teacher.model, batch, teacher.vocabulary, 16)
    assert np.allclose(logprobs(rows), own.numpy(), atol=1e-5)


def test_responses_end_with_their_first_end_token_or_at_the_limit(teacher, wanted):
    settings = PLAIN.model_copy(update={"max_new_tokens": 40})
    ends = end_tokens(teacher)
    rows = sample(teacher, wanted, settings, 0, "test")
    assert {row["finish_reason"] for row in rows} == {"stop", "length"}
    for row in rows:
        tokens = row["token_ids"]
        assert len(row["sampler_logprobs"]) == len(tokens) <= 40
        assert not set(tokens[:-1]) & set(ends)
        if row["finish_reason"] == "stop":
            assert tokens[-1] in ends
        else:
            assert len(tokens) == 40 and tokens[-1] not in ends
        assert row["text"] == teacher.tokenizer.decode(tokens, skip_special_tokens=True)


def test_an_end_on_the_last_token_counts_as_stopped(teacher, wanted):
    rows = sample(teacher, wanted, PLAIN.model_copy(update={"max_new_tokens": 40}), 0, "test")
    number, row = next((n, row) for n, row in enumerate(rows) if row["finish_reason"] == "stop")
    settings = PLAIN.model_copy(update={"max_new_tokens": len(row["token_ids"])})
    assert discrete(sample(teacher, [wanted[number]], settings, 0, "test")) == discrete([row])
    settings = PLAIN.model_copy(update={"max_new_tokens": len(row["token_ids"]) - 1})
    assert sample(teacher, [wanted[number]], settings, 0, "test")[0]["finish_reason"] == "length"


def test_all_end_tokens_of_the_generation_config_end_a_response(teacher, wanted):
    other = copy.deepcopy(teacher)
    token = next(t for row in sample(teacher, wanted, PLAIN, 0, "test") for t in row["token_ids"])
    other.model.generation_config.eos_token_id = [teacher.tokenizer.eos_token_id, token]
    assert end_tokens(other) == sorted([teacher.tokenizer.eos_token_id, token])
    first = sample(other, wanted, PLAIN, 0, "test")[0]
    assert first["token_ids"] == [token] and first["finish_reason"] == "stop"
    other.model.generation_config.eos_token_id = None
    assert end_tokens(other) == [teacher.tokenizer.eos_token_id]


def test_greedy_takes_the_most_probable_tokens(teacher, wanted):
    settings = Rollout(samples_per_prompt=1, max_new_tokens=6, temperature=0)
    for request, row in zip(
        wanted[::3], sample(teacher, wanted[::3], settings, 0, "test"), strict=True
    ):
        assert row["sampler_logprobs"] == [0.0] * len(row["token_ids"])
        tokens = list(request.prompt)
        for token in row["token_ids"]:
            with torch.no_grad():
                assert token == teacher.model(torch.tensor([tokens])).logits[0, -1].argmax()
            tokens.append(token)


def distribution(teacher, prompt, temperature, top_p) -> np.ndarray:
    with torch.no_grad():
        logits = teacher.model(torch.tensor([prompt])).logits[0, -1].double()
    probabilities = (logits / temperature).softmax(-1).numpy()
    order = np.argsort(-probabilities)
    before = np.cumsum(probabilities[order]) - probabilities[order]
    probabilities[order[before >= top_p]] = 0
    return probabilities / probabilities.sum()


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.8)])
def test_first_tokens_follow_the_models_softmax(teacher, wanted, temperature, top_p):
    count = 3000
    settings = Rollout(max_new_tokens=1, temperature=temperature, top_p=top_p, batch_size=1000)
    copies = [dataclasses.replace(wanted[0], sample_id=number) for number in range(count)]
    rows = sample(teacher, copies, settings, 0, "test")
    expected = distribution(teacher, wanted[0].prompt, temperature, top_p)
    tokens = np.array([row["token_ids"][0] for row in rows])
    assert (expected[tokens] > 0).all()
    assert np.allclose(logprobs(rows), np.log(expected[tokens]), atol=1e-5)
    observed = np.bincount(tokens, minlength=len(expected))
    often = expected * count >= 5
    cells = np.append(observed[often], observed[~often].sum())
    means = np.append(expected[often], expected[~often].sum()) * count
    keep = means > 0
    assert often.sum() >= 5
    assert chisquare(cells[keep], means[keep]).pvalue > 0.01


@pytest.mark.parametrize(
    "own",
    [
        {"do_sample": True, "temperature": 0.3, "top_k": 2, "top_p": 0.5},
        {"repetition_penalty": 5.0},
        {"max_length": 5, "min_length": 0},
        {"num_beams": 3},
    ],
)
def test_a_models_own_generation_config_does_not_matter(teacher, wanted, rows, own):
    other = copy.deepcopy(teacher)
    for key, value in own.items():
        setattr(other.model.generation_config, key, value)
    assert discrete(sample(other, wanted, PLAIN, 0, "test")) == discrete(rows)


@pytest.mark.parametrize(
    "own",
    [
        {"no_repeat_ngram_size": 1},
        {"min_new_tokens": 8},
        {"suppress_tokens": list(range(0, 100, 2))},
        {"begin_suppress_tokens": list(range(0, 100, 2))},
    ],
)
def test_no_key_of_a_models_own_generation_config_matters(teacher, wanted, rows, own):
    other = copy.deepcopy(teacher)
    for key, value in own.items():
        setattr(other.model.generation_config, key, value)
    assert discrete(sample(other, wanted, PLAIN, 0, "test")) == discrete(rows)


def test_the_padding_of_a_head_is_never_sampled(teacher, wanted, make_model):
    padded = dataclasses.replace(teacher, model=make_model(seed=3, vocabulary=200))
    rows = sample(padded, wanted, PLAIN, 0, "test")
    assert max(token for row in rows for token in row["token_ids"]) < len(teacher.tokenizer)


def test_a_prompt_that_leaves_no_room_is_refused(teacher, wanted):
    fits = PLAIN.model_copy(update={"max_new_tokens": 64 - max(len(r.prompt) for r in wanted)})
    too_long = fits.model_copy(update={"max_new_tokens": fits.max_new_tokens + 1})
    with pytest.raises(AskdError, match=r"prompt 'train-3' has 10 tokens; .* exceeds the context"):
        sample(teacher, wanted, too_long, 0, "test")
    assert len(sample(teacher, wanted, fits, 0, "test")) == len(wanted)


def test_sampling_leaves_the_model_as_it_was(student, prompt_rows):
    before = {name: weights.clone() for name, weights in student.model.state_dict().items()}
    sample(student, requests(student, prompt_rows, 1), PLAIN, 0, "test")
    for name, weights in student.model.state_dict().items():
        assert torch.equal(weights, before[name])
    assert all(parameter.requires_grad for parameter in student.model.parameters())
