"""Log-probabilities of response tokens, without ever building [batch, length, vocabulary].

The decoder runs once over a padded batch; the hidden states that predict a response token are
gathered, [N, H], and the language-model head is applied to chunks of them.

B sequences, T padded length, N response tokens, H width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from askd.errors import AskdError


@dataclass(frozen=True)
class Batch:
    """Prompts and responses, padded on the right, and where the response tokens are predicted."""

    input_ids: Tensor  # [B, T]
    attention_mask: Tensor  # [B, T]
    targets: Tensor  # [N], response tokens, sequence after sequence
    sequence: Tensor  # [N], the sequence that a response token belongs to
    predictor: Tensor  # [N], the position whose hidden state predicts it
    lengths: Tensor  # [B], response tokens of each sequence


def collate(
    rows: Sequence[tuple[Sequence[int], Sequence[int]]], pad_token_id: int, device: torch.device
) -> Batch:
    """A batch of (prompt tokens, response tokens); neither may be empty."""
    width = max(len(prompt) + len(response) for prompt, response in rows)
    input_ids = torch.full((len(rows), width), pad_token_id)
    attention_mask = torch.zeros_like(input_ids)
    targets, sequence, predictor = [], [], []
    for number, (prompt, response) in enumerate(rows):
        tokens = [*prompt, *response]
        input_ids[number, : len(tokens)] = torch.tensor(tokens)
        attention_mask[number, : len(tokens)] = 1
        targets.extend(response)
        sequence.extend([number] * len(response))
        predictor.extend(range(len(prompt) - 1, len(tokens) - 1))
    return Batch(
        input_ids=input_ids.to(device),
        attention_mask=attention_mask.to(device),
        targets=torch.tensor(targets, device=device),
        sequence=torch.tensor(sequence, device=device),
        predictor=torch.tensor(predictor, device=device),
        lengths=torch.tensor([len(response) for _, response in rows], device=device),
    )


def response_hidden_states(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Hidden states that predict the response tokens, [N, H]."""
    decoder = model.get_decoder()
    hidden = decoder(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
    ).last_hidden_state
    return hidden[batch.sequence, batch.predictor]


def head_logprobs(model: PreTrainedModel, hidden: Tensor, vocabulary: int) -> Tensor:
    """Log-probabilities (nats, float32) over the first `vocabulary` tokens, [N, H] -> [N, V].

    Heads are often padded beyond the tokenizer, to different widths for teacher and student; the
    padding belongs to no token and is cut off before the softmax.
    """
    logits = model.get_output_embeddings()(hidden)[:, :vocabulary].float()
    softcap = getattr(model.config, "final_logit_softcapping", None)
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    return logits.log_softmax(dim=-1)


def check_vocabulary(largest_token: int, vocabulary: int) -> None:
    """Refuse response tokens that a model does not have.

    Raises:
        AskdError: `largest_token` lies outside the vocabulary.
    """
    if largest_token >= vocabulary:
        raise AskdError(
            f"token {largest_token} lies outside the model's vocabulary of {vocabulary};"
            " the rollouts come from a model with another tokenizer."
        )


def token_logprobs(model: PreTrainedModel, batch: Batch, vocabulary: int, chunk: int) -> Tensor:
    """Log-probability (nats) of each response token under `model`, without gradient, [N].

    Raises:
        AskdError: a response token lies outside the vocabulary.
    """
    check_vocabulary(int(batch.targets.max()), vocabulary)
    with torch.no_grad():
        hidden = response_hidden_states(model, batch)
        return torch.cat(
            [
                head_logprobs(model, part, vocabulary).gather(1, target[:, None])[:, 0]
                for part, target in zip(
                    hidden.split(chunk), batch.targets.split(chunk), strict=True
                )
            ]
        )
