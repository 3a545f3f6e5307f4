"""Policies: what student and teacher draw together, and the log-probabilities that are kept."""

from __future__ import annotations

import copy
import dataclasses
import random

import numpy as np
import pytest
import torch

from askd.config import MixturePolicy, Rollout, SpeculativePolicy
from askd.errors import AskdError
from askd.rollout.engine import end_tokens, requests, sample
from askd.rollout.policies import Mixture, Speculative
from askd.rollout.sampler import InverseTransformSampler, Warp, uniforms

PLAIN = Rollout(samples_per_prompt=3, max_new_tokens=8)
WARPED = PLAIN.model_copy(update={"temperature": 0.7, "top_p": 0.8})
GREEDY = PLAIN.model_copy(update={"temperature": 0.0})
MIXTURE = MixturePolicy(kind="mixture", teacher_weight=0.4)
SPECULATIVE = SpeculativePolicy(kind="speculative", top_k=20)
every_policy = pytest.mark.parametrize("policy", [MIXTURE, SPECULATIVE], ids=lambda p: p.kind)
every_warp = pytest.mark.parametrize("settings", [PLAIN, WARPED], ids=["plain", "warped"])


@pytest.fixture(scope="module")
def wanted(loaded_student, prompt_rows):
    return requests(loaded_student, prompt_rows, 3)


def tokens(rows) -> list[list[int]]:
    return [row["token_ids"] for row in rows]


def column(rows, name: str) -> np.ndarray:
    return np.concatenate([row[name] for row in rows])


# --- one step ----------------------------------------------------------------------------------

VOCABULARY = 7


def scores(seed: int) -> torch.Tensor:
    return 1.5 * torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed))


def warped(scores: torch.Tensor, temperature: float, top_p: float) -> np.ndarray:
    """The distribution in plain probabilities: the smallest set of tokens with mass `top_p`."""
    probabilities = (scores.double() / temperature).softmax(-1).numpy()
    order = np.argsort(-probabilities)
    before = np.cumsum(probabilities[order]) - probabilities[order]
    probabilities[order[before >= top_p]] = 0
    return probabilities / probabilities.sum()


def draw(make, numbers, temperature=1.0, top_p=1.0):
    """Tokens and log-probabilities (as drawn, the student's) for each uniform number."""
    sampler = InverseTransformSampler(
        torch.as_tensor(numbers)[:, None],
        temperature,
        top_p,
        VOCABULARY,
        make(
            lambda input_ids: scores(1).log_softmax(-1).expand(len(numbers), -1),
            Warp(temperature, top_p, VOCABULARY),
        ),
    )
    result = sampler(
        torch.zeros(len(numbers), 1, dtype=torch.long), scores(0).repeat(len(numbers), 1)
    )
    assert (result.isfinite().sum(-1) == 1).all()
    logprobs = (sampler.logprobs[0].numpy(), sampler.student_logprobs[0].numpy())
    return result.argmax(-1).numpy(), *logprobs


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.8)])
@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_a_mixture_is_of_the_probabilities(weight, temperature, top_p):
    """Of the warped ones, as they are sampled from; on probabilities, not on logits."""
    count = 20_000
    drawn, logprobs, own = draw(
        lambda teacher, warp: Mixture(teacher, warp, weight),
        (np.arange(count) + 0.5) / count,
        temperature,
        top_p,
    )
    q, p = (warped(scores(seed), temperature, top_p) for seed in (0, 1))
    expected = (1 - weight) * q + weight * p
    frequencies = np.bincount(drawn, minlength=VOCABULARY) / count
    assert np.abs(frequencies - expected).max() < 2 / count
    assert np.allclose(logprobs, np.log(expected[drawn]), atol=1e-5)
    with np.errstate(divide="ignore"):
        assert np.allclose(own, np.log(q[drawn]), atol=1e-5)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.8)])
@pytest.mark.parametrize("top_k", [1, 3, VOCABULARY, 100])
def test_a_draft_stays_if_the_teacher_ranks_it_high_enough(top_k, temperature, top_p):
    """By unwarped rank, else a token of the teacher's; with the probability that is kept."""
    side = 300
    grid = (np.arange(side) + 0.5) / side
    drafts, replacements = (part.ravel() for part in np.meshgrid(grid, grid))
    drawn, logprobs, own = draw(
        lambda teacher, warp: Speculative(
            teacher, warp, top_k, torch.as_tensor(replacements)[:, None]
        ),
        drafts,
        temperature,
        top_p,
    )
    q, p = (warped(scores(seed), temperature, top_p) for seed in (0, 1))
    is_top = np.isin(np.arange(VOCABULARY), np.argsort(-scores(1).numpy())[:top_k])
    expected = q * is_top + q[~is_top].sum() * p
    frequencies = np.bincount(drawn, minlength=VOCABULARY) / side**2
    assert np.abs(frequencies - expected).max() < 4 / side
    assert expected.sum() == pytest.approx(1)
    assert np.allclose(logprobs, np.log(expected[drawn]), atol=1e-5)
    with np.errstate(divide="ignore"):
        assert np.allclose(own, np.log(q[drawn]), atol=1e-5)


# --- whole responses ---------------------------------------------------------------------------


@every_warp
def test_without_weight_the_student_samples_alone(loaded_student, teacher, wanted, settings):
    """Also with the whole vocabulary at the top: the very tokens of the same random numbers."""
    alone = sample(loaded_student, wanted, settings, 0, "test")
    for policy in (
        MixturePolicy(kind="mixture", teacher_weight=0),
        SpeculativePolicy(kind="speculative", top_k=teacher.vocabulary),
    ):
        together = sample(loaded_student, wanted, settings, 0, "test", policy, teacher)
        assert tokens(together) == tokens(alone)
        assert column(together, "sampler_logprobs").tolist() == pytest.approx(
            column(alone, "sampler_logprobs"), abs=1e-6
        )
        assert np.array_equal(
            column(together, "student_logprobs"), column(alone, "sampler_logprobs")
        )
    assert "student_logprobs" not in alone[0]


@every_warp
def test_with_all_weight_the_teacher_samples_alone(loaded_student, teacher, wanted, settings):
    policy = MixturePolicy(kind="mixture", teacher_weight=1)
    together = sample(loaded_student, wanted, settings, 0, "test", policy, teacher)
    alone = sample(teacher, wanted, settings, 0, "test")
    assert tokens(together) == tokens(alone)
    assert np.allclose(
        column(together, "sampler_logprobs"), column(alone, "sampler_logprobs"), atol=1e-5
    )


def test_greedy_models_and_a_top_of_one_give_the_teachers_greedy_answers(
    loaded_student, teacher, wanted
):
    """Wherever the student disagrees, the teacher's most probable token takes its place."""
    policy = SpeculativePolicy(kind="speculative", top_k=1)
    together = sample(loaded_student, wanted, GREEDY, 0, "test", policy, teacher)
    assert tokens(together) == tokens(sample(teacher, wanted, GREEDY, 0, "test"))
    assert tokens(together) != tokens(sample(loaded_student, wanted, GREEDY, 0, "test"))


def next_scores(model, prefix: list[int]) -> torch.Tensor:
    """Scores behind a prefix by itself: no batch, no padding, no cache."""
    with torch.no_grad():
        return model.model(torch.tensor([prefix])).logits[:, -1, : model.vocabulary]


def in_blocks(student, teacher, request, settings, top_k: int, drafts: int) -> list[int]:
    """Speculative KD as published: drafts at once, cut at the first that the teacher refuses."""
    warp = Warp(settings.temperature, settings.top_p, student.vocabulary)
    names = (request.prompt_id, request.sample_id, settings.max_new_tokens)
    own, other = (uniforms(0, stream, *names) for stream in ("test", "test replacement"))
    ends = end_tokens(student)

    def invert(scores, number):
        cumulative = warp(scores)[0].double().exp().cumsum(-1)
        return int((cumulative <= number * cumulative[-1]).sum())

    response: list[int] = []
    while len(response) < settings.max_new_tokens and not set(response) & set(ends):
        block: list[int] = []
        while len(block) < drafts and len(response) + len(block) < settings.max_new_tokens:
            prefix = [*request.prompt, *response, *block]
            block.append(invert(next_scores(student, prefix), own[len(response) + len(block)]))
            if block[-1] in ends:
                break
        for draft in block:
            scores = next_scores(teacher, [*request.prompt, *response])
            if draft in scores[0].argsort(descending=True)[:top_k]:
                response.append(draft)
            else:
                response.append(invert(scores, other[len(response)]))
                break
    return response


@every_warp
@pytest.mark.parametrize("top_k", [1, 20, 60])
def test_the_number_of_drafts_changes_nothing(loaded_student, teacher, wanted, settings, top_k):
    """One, two or five tokens at once: the same responses, those of the engine."""
    policy = SpeculativePolicy(kind="speculative", top_k=top_k)
    chosen = wanted[::4]
    expected = tokens(sample(loaded_student, chosen, settings, 0, "test", policy, teacher))
    alone = tokens(sample(loaded_student, chosen, settings, 0, "test"))
    assert expected != alone
    for drafts in (1, 2, 5):
        assert expected == [
            in_blocks(loaded_student, teacher, request, settings, top_k, drafts)
            for request in chosen
        ]


@every_policy
@every_warp
def test_log_probabilities_are_those_of_the_models(
    loaded_student, teacher, wanted, policy, settings
):
    """Prefix by prefix; prompts of unequal lengths are padded in the batch."""
    warp = Warp(settings.temperature, settings.top_p, teacher.vocabulary)
    rows = sample(loaded_student, wanted, settings, 0, "test", policy, teacher)
    assert len({len(request.prompt) for request in wanted}) > 2
    for request, row in zip(wanted, rows, strict=True):
        for step, token in enumerate(row["token_ids"]):
            prefix = [*request.prompt, *row["token_ids"][:step]]
            q, p = (
                warp(next_scores(model, prefix))[0].exp() for model in (loaded_student, teacher)
            )
            if policy is MIXTURE:
                drawn = 0.6 * q + 0.4 * p
            else:
                top = next_scores(teacher, prefix)[0].argsort(descending=True)[:20]
                is_top = torch.isin(torch.arange(len(q)), top)
                drawn = q * is_top + q[~is_top].sum() * p
            assert row["sampler_logprobs"][step] == pytest.approx(
                drawn[token].log().item(), abs=1e-4
            )
            assert row["student_logprobs"][step] == pytest.approx(q[token].log().item(), abs=1e-4)


@every_policy
@pytest.mark.parametrize("batch_size", [1, 3])
def test_batch_size_and_order_do_not_matter(loaded_student, teacher, wanted, policy, batch_size):
    rows = sample(loaded_student, wanted, PLAIN, 0, "test", policy, teacher)
    order = random.Random(batch_size).sample(range(len(wanted)), len(wanted))
    settings = PLAIN.model_copy(update={"batch_size": batch_size})
    again = sample(loaded_student, [wanted[n] for n in order], settings, 0, "test", policy, teacher)
    assert tokens(again) == [rows[number]["token_ids"] for number in order]
    for name in ("sampler_logprobs", "student_logprobs"):
        assert np.allclose(column(again, name), column([rows[n] for n in order], name), atol=1e-5)


@every_policy
def test_a_longer_limit_continues_the_same_responses(loaded_student, teacher, wanted, policy):
    rows = sample(loaded_student, wanted, PLAIN, 0, "test", policy, teacher)
    settings = PLAIN.model_copy(update={"max_new_tokens": 12})
    longer = sample(loaded_student, wanted, settings, 0, "test", policy, teacher)
    for row, long in zip(rows, longer, strict=True):
        assert long["token_ids"][: len(row["token_ids"])] == row["token_ids"]


@every_policy
def test_heads_may_be_padded_to_different_widths(
    loaded_student, teacher, wanted, policy, make_model
):
    """Padding of either head is neither drawn nor ranked."""
    wide = dataclasses.replace(teacher, model=make_model(24, seed=1, vocabulary=150))
    student = dataclasses.replace(loaded_student, model=make_model(16, seed=2, vocabulary=130))
    for model in (wide.model, student.model):
        model.get_output_embeddings().weight.data[102:] *= 100
    narrow = [copy.deepcopy(model) for model in (student, wide)]
    for model in narrow:
        model.model.resize_token_embeddings(102)
    rows = sample(student, wanted, PLAIN, 0, "test", policy, wide)
    expected = sample(narrow[0], wanted, PLAIN, 0, "test", policy, narrow[1])
    assert tokens(rows) == tokens(expected)


@every_policy
def test_padding_has_no_position(loaded_student, wanted, policy):
    """A teacher with absolute positions sees each prompt from its own beginning."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes = {"vocab_size": 102, "n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
    model = GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=0.5)).eval()
    absolute = dataclasses.replace(loaded_student, model=model)
    rows = sample(loaded_student, wanted, PLAIN, 0, "test", policy, absolute)
    for request, row in zip(wanted, rows, strict=True):
        [alone] = sample(loaded_student, [request], PLAIN, 0, "test", policy, absolute)
        assert alone["token_ids"] == row["token_ids"]
        assert np.allclose(alone["sampler_logprobs"], row["sampler_logprobs"], atol=1e-5)


@every_policy
def test_a_prompt_must_fit_the_teacher_too(loaded_student, teacher, wanted, policy):
    short = copy.deepcopy(teacher)
    short.model.config.max_position_embeddings = 17
    with pytest.raises(AskdError, match=r"'train-3' has 10 tokens; .* exceeds the context of"):
        sample(loaded_student, wanted, PLAIN, 0, "test", policy, short)
    sample(loaded_student, wanted, PLAIN, 0, "test", None, short)


@every_policy
def test_sampling_leaves_both_models_as_they_were(loaded_student, teacher, wanted, policy):
    models = [copy.deepcopy(model) for model in (loaded_student, teacher)]
    sample(models[0], wanted[:2], PLAIN, 0, "test", policy, models[1])
    for model, before in zip(models, (loaded_student, teacher), strict=True):
        own = dict(model.model.named_parameters())
        for name, weights in before.model.named_parameters():
            assert torch.equal(weights, own[name])
            assert own[name].requires_grad and own[name].grad is None
