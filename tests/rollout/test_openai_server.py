"""The openai engine with vLLM's own server: a pretrained model gives what transformers gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from askd.config import Rollout, validate
from askd.models.folder import load
from askd.rollout.engine import Request, requests
from askd.rollout.openai_engine import OpenAiEngine
from askd.rollout.sampler import Warp
from askd.rollout.score import score

QUESTIONS = ("What is 3 + 4?", "Name a colour.", "Write one sentence about the sea.")
# Nats, between two implementations of the same float32 arithmetic.
TOLERANCE = 1e-3


def pairs(wanted: list[Request], rows: list[dict]) -> list[tuple[list[int], list[int]]]:
    return [(request.prompt, row["token_ids"]) for request, row in zip(wanted, rows, strict=True)]


def gap(capsys, what: str, ours: list, theirs: list) -> float:
    gaps = np.abs(np.concatenate(ours) - np.concatenate(theirs))
    with capsys.disabled():
        print(f"\n{what}: gap max {gaps.max():.2g}, mean {gaps.mean():.2g} of {gaps.size} tokens")
    return gaps.max()


def test_a_server_samples_and_scores_what_transformers_does(
    vllm_server: str, padded_smollm2: Path, capsys
):
    """One test, since its parts share a server, which takes long to start."""
    value = {
        "engine": "openai",
        "openai": {"servers": {"smollm2": {"base_url": vllm_server, "model": "stub"}}},
        "samples_per_prompt": 2,
        "max_new_tokens": 16,
    }
    plain = OpenAiEngine(padded_smollm2, validate(Rollout, value, "test"))
    prompts = [
        {"prompt_id": f"p{number}", "messages": [{"role": "user", "content": question}]}
        for number, question in enumerate(QUESTIONS)
    ]
    wanted = requests(plain.language_model, prompts, 2)
    rows = plain.sample(wanted, 0, "test")
    assert len({tuple(row["token_ids"]) for row in rows}) > len(QUESTIONS)
    alone = [plain.sample([request], 0, "test")[0]["token_ids"] for request in wanted]
    assert [tokens == row["token_ids"] for tokens, row in zip(alone, rows, strict=True)].count(
        True
    ) >= len(wanted) - 1  # a near tie may tip among others

    model = load(padded_smollm2)
    expected = score(model, pairs(wanted, rows), 16, 1024)
    sampled = [row["sampler_logprobs"] for row in rows]
    assert gap(capsys, "sampled by a server", sampled, expected) < TOLERANCE
    scored = plain.score(pairs(wanted, rows))
    assert gap(capsys, "scored by a server", scored, expected) < TOLERANCE

    changed = validate(Rollout, {**value, "temperature": 0.7, "top_p": 0.8}, "test")
    warped = OpenAiEngine(padded_smollm2, changed).sample(wanted, 0, "test")
    warp = Warp(0.7, 0.8, model.vocabulary)
    expected = []
    for prompt, tokens in pairs(wanted, warped):
        with torch.no_grad():
            logits = model.model(torch.tensor([[*prompt, *tokens]])).logits[0]
        behind = warp(logits[len(prompt) - 1 : -1])
        expected.append(behind[range(len(tokens)), tokens].numpy())
    sampled = [row["sampler_logprobs"] for row in warped]
    assert gap(capsys, "warped by a server", sampled, expected) < TOLERANCE
