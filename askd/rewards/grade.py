"""The grade stage: a reward for each rollout. Light: imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

import pyarrow as pa

from askd import __version__
from askd.artifacts import REWARDS, table_from_rows
from askd.config import SandboxSettings, nearest
from askd.errors import AskdError
from askd.rewards.result import Answer

# A grader is a module of this package with a function `grade`: answers and the sandbox's settings
# to grades, and to a description of the sandbox if programs were run in one.
GRADERS = ("arithmetic", "code", "judge", "math")


def grade(
    rollouts: Sequence[dict],
    prompts: Sequence[dict],
    grader: str,
    sandbox: SandboxSettings | None = None,
) -> pa.Table:
    """The rewards table of `rollouts`; their prompts must be among `prompts`.

    If programs were run, the metadata of the table say in which sandbox.

    Raises:
        AskdError: the grader or a rollout's prompt is unknown, or a reference is not what the
            grader expects.
    """
    if grader not in GRADERS:
        raise AskdError(f"unknown grader {grader!r}; {nearest(grader, GRADERS)}")
    references = {prompt["prompt_id"]: prompt["reference"] for prompt in prompts}
    answers = []
    for rollout in rollouts:
        prompt_id = rollout["prompt_id"]
        if prompt_id not in references:
            raise AskdError(
                f"rollouts: prompt_id {prompt_id!r} is not in the prompts table; the rollouts "
                "were made from other prompts, run their stage again."
            )
        answers.append(
            Answer(prompt_id, rollout["text"], rollout["finish_reason"], references[prompt_id])
        )
    grades, about = import_module(f"askd.rewards.{grader}").grade(
        answers, sandbox or SandboxSettings()
    )
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


def tool(grader: str) -> dict[str, str]:
    """Name and version of the software that decides for `grader` whether an answer is right."""
    if grader == "math":
        return {"name": "math-verify", "version": version("math-verify")}
    return {"name": "askd", "version": __version__}


def sandbox_of(rewards: pa.Table) -> dict | None:
    """In which sandbox the programs of a rewards table were run; None if there were none."""
    text = (rewards.schema.metadata or {}).get(b"sandbox")
    return None if text is None else json.loads(text)
