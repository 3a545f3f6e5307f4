"""What is kept of an evaluation beside its items: how it was done, and how it went."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from math import comb

from askd.rewards.grade import tool
from askd.rewards.result import TIMED_OUT, UNREAD

DECODINGS = ("greedy", "sampled")


def measures(items: Sequence[dict], grader: str) -> dict:
    """Of the rows of an items table, by decoding: mean reward, and shares of answers that could not
    be read and that took too long; and pass@k of the sampled answers.

    An answer that cannot be read or takes too long has the reward 0 like a wrong one. A judge
    compares answers whole: what cannot be read there is its own verdict, which is no answer, and
    the share of unread answers is None.
    """
    sides = {name: [item for item in items if item["decoding"] == name] for name in DECODINGS}
    return {
        "reward": {name: _mean(item["reward"] for item in side) for name, side in sides.items()},
        "parse_failures": {
            name: None if grader == "judge" else _mean(item["reason"] in UNREAD for item in side)
            for name, side in sides.items()
        },
        "timeouts": {
            name: _mean(item["reason"] == TIMED_OUT for item in side)
            for name, side in sides.items()
        },
        "pass_at_k": _pass_at_powers_of_two(sides["sampled"]),
    }


def provenance(prompts: Sequence[dict], chat_template: str, grader: str) -> dict:
    """What the numbers depend on beside the model and the settings: the tool that decides whether
    an answer is right, and digests of the benchmark's rows and of the template of prompts."""
    rows = json.dumps(
        [[row["prompt_id"], row["messages"], row["reference"]] for row in prompts], sort_keys=True
    )
    return {
        "tool": tool(grader),
        "task_hash": digest(rows),
        "prompt_template_hash": digest(chat_template),
    }


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """The probability that one of k samples is correct, without bias from `correct` of `samples`.

    1 - C(samples - correct, k) / C(samples, k): the share of the choices of k samples with a
    correct one among them (Chen et al., 2021, https://arxiv.org/abs/2107.03374).

    Raises:
        ValueError: not 0 <= correct <= samples, or not 1 <= k <= samples.
    """
    if not (0 <= correct <= samples and 1 <= k <= samples):
        raise ValueError(f"no pass@{k} from {correct} correct of {samples} samples")
    return 1 - comb(samples - correct, k) / comb(samples, k)


def _pass_at_powers_of_two(sampled: Sequence[dict]) -> dict[str, float]:
    """The mean over items of pass@k, for k = 1, 2, 4, ... up to the number of samples."""
    answers: dict[str, list[bool]] = {}
    for item in sampled:
        answers.setdefault(item["prompt_id"], []).append(item["correct"])
    samples = min(map(len, answers.values()))
    return {
        str(k): _mean(pass_at_k(len(own), sum(own), k) for own in answers.values())
        for k in (2**power for power in range(samples.bit_length()))
    }


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)


def digest(text: str) -> str:
    """A short digest of `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
