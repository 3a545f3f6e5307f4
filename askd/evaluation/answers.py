"""A model's answers to the items of a benchmark, greedy and sampled, and their rows of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from askd.config import Evaluation, Rollout
from askd.evaluation.summary import DECODINGS
from askd.models.folder import LanguageModel
from askd.rollout.engine import requests, sample

# Whatever `rollout.engine` says: an evaluation samples in its own process.
ENGINE = "transformers"


def answers(
    language_model: LanguageModel,
    prompts: Sequence[dict],
    evaluation: Evaluation,
    rollout: Rollout,
    seed: int,
    stream: str,
) -> Iterator[tuple[str, list[dict]]]:
    """Each decoding with its rows of a rollouts table: one greedy answer to each of `prompts`, and
    as many sampled ones as `evaluation` says.

    The samples of an item depend on `seed`, `stream`, the item and the model alone.
    """
    settings = {
        "greedy": {"samples_per_prompt": 1, "temperature": 0.0, "top_p": 1.0},
        "sampled": {
            "samples_per_prompt": evaluation.samples,
            "temperature": evaluation.temperature,
            "top_p": evaluation.top_p,
        },
    }
    for decoding in DECODINGS:
        chosen = rollout.model_copy(update=settings[decoding])
        wanted = requests(language_model, prompts, chosen.samples_per_prompt)
        yield decoding, sample(language_model, wanted, chosen, seed, stream)


def how(evaluation: Evaluation, rollout: Rollout, seed: int) -> dict:
    """What a summary says of such answers."""
    return {
        "engine": ENGINE,
        "samples": evaluation.samples,
        "sampling": {
            "temperature": evaluation.temperature,
            "top_p": evaluation.top_p,
            "max_new_tokens": rollout.max_new_tokens,
        },
        "seed": seed,
    }


def item(decoding: str, rollout: dict, correct: bool, reward: float, reason: str) -> dict:
    """The row of an items table for a graded answer."""
    return {
        "prompt_id": rollout["prompt_id"],
        "decoding": decoding,
        "sample_id": rollout["sample_id"],
        "correct": correct,
        "reward": reward,
        "reason": reason,
        "finish_reason": rollout["finish_reason"],
        "response_tokens": len(rollout["token_ids"]),
        "text": rollout["text"],
    }
