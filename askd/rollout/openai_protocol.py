"""What is asked of a server for a completion, and what its replies have to hold.

Light: plain data, no network. The keys beyond OpenAI's own are vLLM's extensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from askd.config import Rollout
from askd.errors import AskdError

# Sent with every request: a server may have defaults of its own, as from generation_config.json.
NEUTRAL = {
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "watermarking": False,
    "skip_special_tokens": False,
}
REMEDY = "serve the model with vLLM (`vllm serve`), or set rollout.engine: vllm"


def sampling_body(
    prompt: Sequence[int], seed: int, ends: Sequence[int], settings: Rollout
) -> dict[str, Any]:
    """The request for one response to `prompt`."""
    return {
        **NEUTRAL,
        "prompt": list(prompt),
        "max_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "seed": seed,
        "stop_token_ids": list(ends),
        "ignore_eos": True,  # `ends` has it where it counts
        "logprobs": 0,  # of the sampled token alone
        "return_token_ids": True,
    }


def scoring_body(tokens: Sequence[int]) -> dict[str, Any]:
    """The request for the log-probabilities of `tokens` themselves."""
    return {
        **NEUTRAL,
        "prompt": list(tokens),
        "max_tokens": 1,
        "temperature": 0.0,
        "prompt_logprobs": 0,
        "return_token_ids": True,
    }


@dataclass(frozen=True)
class Completion:
    """A response: its tokens, and their log-probabilities (nats) as the server gives them."""

    tokens: list[int]
    logprobs: list[float]

    @classmethod
    def of(cls, reply: dict[str, Any], prompt: Sequence[int], url: str) -> Completion:
        """The response in `reply`.

        Raises:
            AskdError: it lacks tokens or log-probabilities, or is to another prompt.
        """
        _check_prompt(reply, prompt, url)
        tokens = reply.get("token_ids")
        logprobs = (reply.get("logprobs") or {}).get("token_logprobs")
        if not tokens or not logprobs or len(tokens) != len(logprobs) or None in logprobs:
            raise AskdError(
                f"{url}: the server does not give the token numbers of a response with a "
                f"log-probability of each; {REMEDY}."
            )
        return cls(list(tokens), [float(logprob) for logprob in logprobs])


def read_scores(
    reply: dict[str, Any], prompt: Sequence[int], tokens: Sequence[int], url: str
) -> list[float]:
    """The log-probability (nats) of each of `tokens` behind `prompt`, from the reply to
    `scoring_body`.

    Raises:
        AskdError: `reply` lacks it, or is to another text.
    """
    _check_prompt(reply, [*prompt, *tokens], url)
    steps = reply.get("prompt_logprobs") or []
    try:
        return [
            float(step[str(token)]["logprob"])
            for token, step in zip(tokens, steps[len(prompt) :], strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise AskdError(
            f"{url}: the server does not give the log-probabilities of a prompt's tokens "
            f"(`prompt_logprobs`), which scores are read from; {REMEDY}."
        ) from error


def _check_prompt(reply: dict[str, Any], prompt: Sequence[int], url: str) -> None:
    """Refuse a reply to other tokens: a server may cut a prompt, or put some in front."""
    if "prompt_token_ids" not in reply or reply["prompt_token_ids"] is None:
        raise AskdError(
            f"{url}: the server does not give token numbers (`return_token_ids`), and text alone "
            f"does not say which tokens were sampled; {REMEDY}."
        )
    if reply["prompt_token_ids"] != list(prompt):
        raise AskdError(
            f"{url}: the server reads other tokens than it was sent, cut or with more in front; "
            f"{REMEDY}."
        )
