"""A tiny pair that has learnt the worked answers of the prompts table."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from askd.config import Rollout, validate
from askd.models.chat import prompt_tokens, response_tokens
from askd.models.folder import save
from askd.models.logprobs import collate, head_logprobs, response_hidden_states
from askd.models.preflight.check import Workload, check
from askd.models.preflight.report import Report
from askd.models.tokenizer import character_tokenizer


def learn(model, tokenizer, rows: list[dict], steps: int) -> None:
    """Fit the model to the responses of `rows`."""
    batch = collate(
        [
            (prompt_tokens(tokenizer, row["messages"]), response_tokens(tokenizer, row["response"]))
            for row in rows
        ],
        tokenizer.pad_token_id,
        torch.device("cpu"),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        logprobs = head_logprobs(model, response_hidden_states(model, batch), len(tokenizer))
        optimizer.zero_grad()
        (-logprobs.gather(1, batch.targets[:, None]).mean()).backward()
        optimizer.step()


@pytest.fixture(scope="session")
def learnt(tmp_path_factory, make_model, prompt_rows) -> SimpleNamespace:
    """Folders of a teacher, and of a student that learnt less; read only."""
    root = tmp_path_factory.mktemp("learnt")
    for name, size, seed, steps in (("teacher", 24, 1, 60), ("student", 16, 2, 30)):
        model, tokenizer = make_model(size, seed=seed), character_tokenizer(64)
        learn(model, tokenizer, prompt_rows, steps)
        save(model, tokenizer, root / name)
    return SimpleNamespace(teacher=root / "teacher", student=root / "student")


@pytest.fixture
def pair(learnt, tmp_path) -> SimpleNamespace:
    """A copy of the pair that may be damaged, without manifests, as users have models."""
    for name in ("teacher", "student"):
        shutil.copytree(getattr(learnt, name), tmp_path / name)
        (tmp_path / name / "manifest.json").unlink()
    return SimpleNamespace(teacher=tmp_path / "teacher", student=tmp_path / "student")


@pytest.fixture
def run_check(prompts_path) -> Callable[..., Report]:
    """Checks a pair that is to learn the prompts table."""

    def run(pair: SimpleNamespace, rollout: dict | None = None, **workload) -> Report:
        sampling = validate(Rollout, {"max_new_tokens": 12, **(rollout or {})}, "test")
        given = {"prompts": prompts_path, "rollout": sampling, "results": Path(pair.teacher)}
        return check(pair.teacher, pair.student, Workload(**{**given, **workload}))

    return run
