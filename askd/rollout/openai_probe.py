"""Whether a server samples and scores as rows of a rollouts table say, asked before it is used.

A server that ignores a setting replies as if it had not, so the replies to a few requests are
looked at. Their prompt is a row of tokens without a sense, behind which hardly any model is certain
of anything.
"""

from __future__ import annotations

import numpy as np

from askd.config import Rollout
from askd.errors import AskdError
from askd.models.chat import end_tokens
from askd.models.folder import LanguageModel
from askd.rollout.openai_client import Client, Refused
from askd.rollout.openai_protocol import (
    REMEDY,
    Completion,
    read_scores,
    sampling_body,
    scoring_body,
)

PROMPT_LENGTH, RESPONSE_LENGTH = 6, 16
# Tokens that two responses with one seed have to begin with: on a busy server near ties may tip.
EQUAL_START = 4
# Mean gap, in nats, that arithmetic in bfloat16 leaves between sampling and scoring.
ROUNDING = 0.2
# A nucleus that holds the most probable token alone.
SMALLEST_NUCLEUS = 1e-6
# Nats that the token of such a nucleus may be from certain.
CERTAIN = 1e-3


def probe(client: Client, language_model: LanguageModel, settings: Rollout) -> None:
    """Ask the server of `language_model`, whose weights are not read, how it samples.

    Raises:
        AskdError: it ignores seeds, warps where it should not, gives log-probabilities of another
            distribution than that drawn from, or lets padding of the head be drawn.
    """
    width = language_model.model.get_output_embeddings().weight.shape[0]
    vocabulary, url = language_model.vocabulary, client.url
    prompt = [vocabulary * (number + 1) // (PROMPT_LENGTH + 1) for number in range(PROMPT_LENGTH)]

    def sampled(seed: int, **changes: float) -> Completion:
        warped = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": RESPONSE_LENGTH, **changes}
        body = sampling_body(
            prompt, seed, end_tokens(language_model), settings.model_copy(update=warped)
        )
        return Completion.of(client.complete(body), prompt, url)

    if width > vocabulary:
        _check_padding(client, prompt, width, vocabulary)
    first, again, other = sampled(1), sampled(1), sampled(2)
    if first.tokens[:EQUAL_START] != again.tokens[:EQUAL_START]:
        raise AskdError(
            f"{url}: the server ignores seeds, since equal requests give different tokens; use one "
            "that keeps to `seed`, as vLLM does."
        )
    if first.tokens == other.tokens:
        raise AskdError(
            f"{url}: the server gives the same tokens for different seeds at temperature 1; use "
            "one that keeps to `seed` and `temperature`, as vLLM does."
        )
    scored = read_scores(
        client.complete(scoring_body([*prompt, *first.tokens])), prompt, first.tokens, url
    )
    gap = float(np.abs(np.subtract(first.logprobs, scored)).mean())
    if not gap < ROUNDING:
        raise AskdError(
            f"{url}: at temperature 1 the log-probabilities of sampled tokens are {gap:.2g} nats "
            "away from those that the model gives the same tokens as text, so the server warps its "
            "distribution; start it without penalties and processors of its own (vLLM: "
            "--generation-config vllm)."
        )
    if not settings.is_plain and settings.temperature > 0:
        certain = sampled(1, top_p=SMALLEST_NUCLEUS)
        # Of the distribution drawn from, that token has all; of the model's, less.
        if not float(np.abs(certain.logprobs).max()) < CERTAIN:
            raise AskdError(
                f"{url}: the server gives log-probabilities from before temperature and nucleus, "
                f"but rollout.temperature is {settings.temperature:g} and rollout.top_p "
                f"{settings.top_p:g}; start it with --logprobs-mode processed_logprobs (vLLM), or "
                "set both to 1."
            )


def _check_padding(client: Client, prompt: list[int], width: int, vocabulary: int) -> None:
    """Refuse a server whose head has rows beyond the tokenizer: they are drawn, and take part in
    every log-probability."""

    def drawn_by_force(token: int) -> int:
        body = scoring_body(prompt) | {"logit_bias": {str(token): 100.0}, "logprobs": 0}
        del body["prompt_logprobs"]
        return Completion.of(client.complete(body), prompt, client.url).tokens[0]

    head = (
        f"{client.url}: the model's head has {width} rows for the tokenizer's {vocabulary} tokens"
    )
    if drawn_by_force(vocabulary - 1) != vocabulary - 1:
        raise AskdError(
            f"{head}, and whether the server counts the padding cannot be seen, since it ignores "
            f"`logit_bias`; {REMEDY}."
        )
    try:
        drawn = drawn_by_force(vocabulary)
    except Refused:  # a head that was cut has no such token
        return
    if drawn == vocabulary:
        raise AskdError(
            f"{head}, and the server counts the padding in every log-probability; serve a copy "
            f"with a head that is cut (model.resize_token_embeddings({vocabulary}), then "
            "save_pretrained, with the tokenizer's files), or set rollout.engine: vllm, which "
            "cuts it itself."
        )
