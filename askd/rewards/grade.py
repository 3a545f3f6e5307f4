"""The grade stage: a reward for each rollout. Light: imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module

import pyarrow as pa

from askd.artifacts import REWARDS, table_from_rows
from askd.config import GRADERS, SandboxSettings, nearest
from askd.errors import AskdError
from askd.rewards import own
from askd.rewards.result import Answer


def grade(
    rollouts: Sequence[dict],
    prompts: Sequence[dict],
    grader: str,
    sandbox: SandboxSettings | None = None,
) -> pa.Table:
    """The rewards table of `rollouts`; their prompts must be among `prompts`.

    A grader is a module of this package with a function `grade`: answers and the sandbox's settings
    to grades, and to a description of the sandbox if programs were run in one. Or it is the
    `module:function` of one's own (`askd.rewards.own`).

    If programs were run, the metadata of the table say in which sandbox.

    Raises:
        AskdError: the grader or a rollout's prompt is unknown, a reference is not what the
            grader expects, or a function of one's own fails.
    """
    if grader not in GRADERS and ":" not in grader:
        raise AskdError(f"unknown grader {grader!r}; {nearest(grader, GRADERS)}")
    by_id = {prompt["prompt_id"]: prompt for prompt in prompts}
    answers = []
    for rollout in rollouts:
        prompt_id = rollout["prompt_id"]
        if prompt_id not in by_id:
            raise AskdError(
                f"rollouts: prompt_id {prompt_id!r} is not in the prompts table; the rollouts "
                "were made from other prompts, run their stage again."
            )
        prompt = by_id[prompt_id]
        answers.append(
            Answer(
                prompt_id,
                rollout["text"],
                rollout["finish_reason"],
                prompt["reference"],
                prompt["messages"],
            )
        )
    if grader in GRADERS:
        module = import_module(f"askd.rewards.{grader}")
        grades, about = module.grade(answers, sandbox or SandboxSettings())
    else:
        grades, about = own.grade(answers, grader), None
    rows = [
        {
            "prompt_id": rollout["prompt_id"],
            "sample_id": rollout["sample_id"],
            "reward": graded.reward,
            "correct": graded.correct,
            "reason": graded.reason,
        }
        for rollout, graded in zip(rollouts, grades, strict=True)
    ]
    table = table_from_rows(rows, REWARDS)
    if about is None:
        return table
    return table.replace_schema_metadata({**REWARDS.metadata, b"sandbox": json.dumps(about)})


def sandbox_of(rewards: pa.Table) -> dict | None:
    """In which sandbox the programs of a rewards table were run; None if there were none."""
    text = (rewards.schema.metadata or {}).get(b"sandbox")
    return None if text is None else json.loads(text)
