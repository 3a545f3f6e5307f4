"""vLLM for real, in its own environment: a pretrained model gives what transformers gives.

The model's head is padded by rows that would be drawn often, so that a head which is not cropped
before the softmax is found out. Both engines run in float32.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from askd.artifacts import (
    JOINT_ROLLOUTS,
    PROMPTS,
    ROLLOUTS,
    SCHEDULE,
    SCORES,
    read_table,
    table_from_rows,
    write_table,
)
from askd.models.chat import prompt_tokens
from askd.models.folder import load
from askd.rollout.sampler import Warp
from askd.rollout.score import score

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = (
    "What is 3 + 4?",
    "Name a colour.",
    "Write one sentence about the sea.",
    "What is the capital of France?",
    "Count from one to five.",
    "List three animals.",
)
SETTINGS = {
    "engine": "vllm",
    "samples_per_prompt": 2,
    "max_new_tokens": 24,
    "vllm": {"max_model_length": 128, "cache_gib": 1},
}
# Nats, between two implementations of the same float32 arithmetic.
TOLERANCE = 1e-3


def run(*command: object) -> None:
    result = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.fixture(scope="session")
def folder(shared_folder: Path) -> Path:
    """A folder for what the stages write."""
    folder = shared_folder / "vllm"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def model_folder(vllm_python: Path, padded_smollm2: Path) -> Path:
    """SmolLM2-135M-Instruct with a padded head."""
    return padded_smollm2


@pytest.fixture(scope="session")
def tables(vllm_python: Path, model_folder: Path, folder: Path) -> Path:
    """The folder of what the two stages and vllm_runs.py wrote."""
    with FileLock(folder / "tables.lock"):
        if (folder / "restarted.parquet").is_file():
            return folder
        prompts, schedule = folder / "prompts.parquet", folder / "schedule.parquet"
        rows = [
            {
                "prompt_id": f"p{number}",
                "level": "x",
                "messages": [{"role": "user", "content": question}],
                "reference": "",
                "response": "",
            }
            for number, question in enumerate(QUESTIONS)
        ]
        write_table(prompts, table_from_rows(rows, PROMPTS), PROMPTS)
        steps = [{"round": 0, "step": 0, "prompt_id": row["prompt_id"]} for row in rows]
        write_table(schedule, table_from_rows(steps, SCHEDULE), SCHEDULE)
        settings = json.dumps(SETTINGS)
        askd = (vllm_python, "-m", "askd")
        run(
            *(*askd, "rollout", "--settings", settings, "--seed", 0, "--stream", "test"),
            *("--model", model_folder, "--prompts", prompts, "--schedule", schedule),
            *("--round", 0, "--steps", 1),
            *("--output", folder / "rollouts.parquet", "--state", folder / "state"),
        )
        run(
            *(*askd, "score", "--settings", settings, "--seed", 0, "--head-chunk", 32),
            *("--teacher", model_folder, "--student", model_folder, "--prompts", prompts),
            *("--rollouts", folder / "rollouts.parquet", "--output", folder / "scores.parquet"),
        )
        runs = ROOT / "tests/rollout/vllm_runs.py"
        run(vllm_python, runs, model_folder, prompts, folder, settings)
    return folder


@pytest.fixture(scope="session")
def model(model_folder: Path):
    """The same model in transformers."""
    return load(model_folder)


def rows_of(tables: Path, name: str) -> list[dict]:
    return read_table(tables / f"{name}.parquet", ROLLOUTS).to_pylist()


def pairs(model, tables: Path, rows: list[dict]) -> list[tuple[list[int], list[int]]]:
    prompts = {
        row["prompt_id"]: prompt_tokens(model.tokenizer, row["messages"])
        for row in read_table(tables / "prompts.parquet", PROMPTS).to_pylist()
    }
    return [(prompts[row["prompt_id"]], row["token_ids"]) for row in rows]


def gaps(capsys, what: str, ours, theirs) -> np.ndarray:
    """Absolute differences, which are printed whatever pytest captures."""
    gap = np.abs(np.concatenate(ours) - np.concatenate(theirs))
    with capsys.disabled():
        print(f"\n{what}: gap max {gap.max():.2g}, mean {gap.mean():.2g} of {gap.size} tokens")
    return gap


@pytest.fixture(scope="session")
def rescored(model, tables) -> list[list[float]]:
    """What transformers makes of the sampled responses."""
    return score(model, pairs(model, tables, rows_of(tables, "rollouts")), 16, 1024)


def test_sampled_logprobs_are_those_of_the_model(model, tables, rescored, capsys):
    rows = rows_of(tables, "rollouts")
    gap = gaps(capsys, "sampled", [row["sampler_logprobs"] for row in rows], rescored)
    assert gap.max() < TOLERANCE
    assert max(token for row in rows for token in row["token_ids"]) < model.vocabulary
    assert len({tuple(row["token_ids"]) for row in rows}) > len(QUESTIONS)


def test_scores_are_those_of_transformers(tables, rescored, capsys):
    rows = rows_of(tables, "rollouts")
    scores = read_table(tables / "scores.parquet", SCORES).to_pylist()
    keys = [(row["prompt_id"], row["sample_id"]) for row in rows]
    assert [(row["prompt_id"], row["sample_id"]) for row in scores] == keys
    gap = gaps(capsys, "scored", [row["teacher_logprobs"] for row in scores], rescored)
    assert gap.max() < TOLERANCE


def logits_of(model, prompt: list[int], tokens: list[int]) -> torch.Tensor:
    with torch.no_grad():
        logits = model.model(torch.tensor([[*prompt, *tokens]])).logits
    return logits[0, len(prompt) - 1 : -1]


def test_the_padding_of_the_head_would_be_found_out(model, tables):
    """Uncropped, it takes more mass than the tolerance lets pass."""
    prompt, tokens = pairs(model, tables, rows_of(tables, "rollouts"))[0]
    logits = logits_of(model, prompt, tokens)
    assert logits.shape[1] > model.vocabulary
    whole, cropped = logits.logsumexp(-1), logits[:, : model.vocabulary].logsumexp(-1)
    assert (whole - cropped).max() > 10 * TOLERANCE


def test_logprobs_behind_temperature_and_nucleus_are_those_drawn_from(model, tables, capsys):
    rows = rows_of(tables, "warped")
    warp = Warp(0.7, 0.8, model.vocabulary)
    expected = [
        warp(logits_of(model, prompt, tokens))[range(len(tokens)), tokens].numpy()
        for prompt, tokens in pairs(model, tables, rows)
    ]
    gap = gaps(capsys, "warped", [row["sampler_logprobs"] for row in rows], expected)
    assert gap.max() < TOLERANCE


def test_greedy_tokens_are_the_most_probable_ones(model, tables, capsys):
    rows = rows_of(tables, "greedy")
    best = [
        logits_of(model, prompt, tokens)[:, : model.vocabulary].argmax(-1).tolist()
        for prompt, tokens in pairs(model, tables, rows)
    ]
    equal = [
        ours == theirs
        for row, tokens in zip(rows, best, strict=True)
        for ours, theirs in zip(row["token_ids"], tokens, strict=True)
    ]
    with capsys.disabled():
        print(f"\ngreedy: {sum(equal)} of {len(equal)} tokens agree")
    assert np.mean(equal) > 0.98
    assert {number for row in rows for number in row["sampler_logprobs"]} == {0.0}


def test_the_same_seed_gives_the_same_samples(tables):
    """In another process; and a response alone in its batch is the same as among others."""
    rows = rows_of(tables, "rollouts")
    tokens = [row["token_ids"] for row in rows]
    assert [row["token_ids"] for row in rows_of(tables, "again")] == tokens
    assert rows_of(tables, "alone")[0]["token_ids"] == tokens[0]


def test_an_engine_that_was_stopped_leaves_room_for_the_next(tables):
    assert rows_of(tables, "restarted") == rows_of(tables, "alone")


@pytest.mark.parametrize(
    "policy", [{"kind": "mixture", "teacher_weight": 0.4}, {"kind": "speculative", "top_k": 25}]
)
def test_policies_of_both_models_sample_in_this_environment_what_they_sample_in_another(
    vllm_python, folders, prompts_path, prompt_rows, tmp_path, policy
):
    """They run in transformers, but in the older one that vLLM pins."""
    schedule = tmp_path / "schedule.parquet"
    steps = [{"round": 0, "step": 0, "prompt_id": row["prompt_id"]} for row in prompt_rows]
    write_table(schedule, table_from_rows(steps, SCHEDULE), SCHEDULE)
    settings = json.dumps({"engine": "vllm", "samples_per_prompt": 2, "max_new_tokens": 6})
    tables = {}
    for name, python in (("vllm", vllm_python), ("own", sys.executable)):
        tables[name] = tmp_path / f"{name}.parquet"
        run(
            *(python, "-m", "askd", "rollout", "--settings", settings, "--seed", 0),
            *("--stream", "test", "--model", folders.student, "--teacher", folders.teacher),
            *("--policy", json.dumps(policy), "--prompts", prompts_path, "--schedule", schedule),
            *("--round", 0, "--steps", 1),
            *("--output", tables[name], "--state", tmp_path / f"{name}-state"),
        )
    here, there = (read_table(tables[name], JOINT_ROLLOUTS).to_pylist() for name in tables)
    assert [row["token_ids"] for row in here] == [row["token_ids"] for row in there]
    for column in ("sampler_logprobs", "student_logprobs"):
        ours, theirs = (
            [number for row in rows for number in row[column]] for rows in (here, there)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_rows_end_as_those_of_transformers_do(model, tables):
    end = model.tokenizer.eos_token_id
    rows = rows_of(tables, "rollouts") + rows_of(tables, "greedy")
    assert {row["finish_reason"] for row in rows} == {"stop", "length"}
    for row in rows:
        tokens = row["token_ids"]
        assert end not in tokens[:-1]
        assert (tokens[-1] == end) == (row["finish_reason"] == "stop")
        assert len(row["sampler_logprobs"]) == len(tokens) <= SETTINGS["max_new_tokens"]
        assert row["text"] == model.tokenizer.decode(tokens, skip_special_tokens=True)
