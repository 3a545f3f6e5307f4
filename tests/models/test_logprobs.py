"""Log-probabilities of response tokens against the dense softmax of the model's own logits."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from askd.errors import AskdError
from askd.models.logprobs import (
    collate,
    head_logprobs,
    response_hidden_states,
    token_logprobs,
)

# Prompts and responses of unequal lengths, the shortest possible among them.
ROWS = [
    ([3, 20, 30], [40, 41, 42, 43, 1]),
    ([3], [50]),
    ([5, 6, 7, 8, 9, 10, 11], [12, 1]),
    ([60, 61], [62, 63, 64]),
]
CPU = torch.device("cpu")


def dense(model, rows, vocabulary: int) -> torch.Tensor:
    """Every row by itself, without padding, over all positions and `vocabulary` tokens."""
    result = []
    for prompt, response in rows:
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *response]])).logits[0, :, :vocabulary]
        logprobs = logits.float().log_softmax(dim=-1)
        for number, token in enumerate(response):
            result.append(logprobs[len(prompt) - 1 + number, token])
    return torch.stack(result)


def test_collate_says_where_each_response_token_is_predicted():
    batch = collate(ROWS, 0, CPU)
    assert batch.input_ids.shape == (4, 9)
    assert batch.lengths.tolist() == [5, 1, 2, 3]
    assert batch.targets.tolist() == [token for _, response in ROWS for token in response]
    assert batch.sequence.tolist() == [0] * 5 + [1] + [2] * 2 + [3] * 3
    following = batch.input_ids[batch.sequence, batch.predictor + 1]
    assert torch.equal(following, batch.targets)
    first = [batch.predictor[batch.sequence == number][0].item() for number in range(4)]
    assert first == [len(prompt) - 1 for prompt, _ in ROWS]
    assert batch.attention_mask.sum(1).tolist() == [len(p) + len(r) for p, r in ROWS]
    assert (batch.input_ids[batch.attention_mask == 0] == 0).all()


@pytest.mark.parametrize("chunk", [1, 3, 4, 1000])
def test_equal_to_the_dense_softmax_for_unequal_lengths(teacher, chunk):
    batch = collate(ROWS, 0, CPU)
    logprobs = token_logprobs(teacher.model, batch, teacher.vocabulary, chunk)
    expected = dense(teacher.model, ROWS, teacher.vocabulary)
    assert torch.allclose(logprobs, expected, atol=1e-5)
    assert logprobs.dtype == torch.float32 and not logprobs.requires_grad


def test_padding_does_not_enter(teacher):
    width = teacher.vocabulary
    alone = token_logprobs(teacher.model, collate(ROWS[1:2], 0, CPU), width, 8)
    for pad in (0, 1, 99):
        together = token_logprobs(teacher.model, collate(ROWS, pad, CPU), width, 8)
        assert torch.allclose(together[5:6], alone, atol=1e-5)


def test_a_padded_head_is_cropped_before_the_softmax(make_model, teacher):
    """A student whose head is wider than the teacher's: the padding belongs to no token."""
    shared = teacher.vocabulary
    wide = make_model(16, seed=9, vocabulary=shared + 26)
    assert wide.get_output_embeddings().weight.shape[0] == shared + 26
    batch = collate(ROWS, 0, CPU)
    cropped = token_logprobs(wide, batch, shared, 3)
    assert torch.allclose(cropped, dense(wide, ROWS, shared), atol=1e-5)
    full = token_logprobs(wide, batch, shared + 26, 3)
    assert (cropped > full).all()
    rows = head_logprobs(wide, response_hidden_states(wide, batch), shared)
    assert rows.shape == (11, shared)
    assert torch.allclose(rows.exp().sum(-1), torch.ones(11), atol=1e-5)


def test_a_softcapped_head_is_capped():
    torch.manual_seed(0)
    model = Gemma2ForCausalLM(
        Gemma2Config(
            vocab_size=101,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=64,
            initializer_range=0.5,
            final_logit_softcapping=1.5,
        )
    ).eval()
    batch = collate(ROWS, 0, CPU)
    logprobs = token_logprobs(model, batch, 101, 4)
    assert torch.allclose(logprobs, dense(model, ROWS, 101), atol=1e-5)
    uncapped = copy.deepcopy(model)
    uncapped.config.final_logit_softcapping = None
    assert not torch.allclose(token_logprobs(uncapped, batch, 101, 4), logprobs, atol=1e-2)


def test_a_token_outside_the_vocabulary_is_refused(teacher):
    with pytest.raises(AskdError, match="token 64 lies outside the model's vocabulary of 64"):
        token_logprobs(teacher.model, collate(ROWS, 0, CPU), 64, 8)


def test_half_precision_weights_give_single_precision_logprobs(teacher):
    model = copy.deepcopy(teacher.model).to(torch.bfloat16)
    logprobs = token_logprobs(model, collate(ROWS, 0, CPU), teacher.vocabulary, 4)
    assert logprobs.dtype == torch.float32
    assert torch.allclose(logprobs, dense(model, ROWS, teacher.vocabulary), atol=0.05)
