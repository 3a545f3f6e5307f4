"""The grade stage: a reward for each rollout. Light: imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

import pyarrow as pa

from askd import __version__
from askd.artifacts import REWARDS, table_from_rows
from askd.config import GRADERS, Judge, RuleJudge, SandboxSettings, nearest
from askd.errors import AskdError
from askd.rewards import own
from askd.rewards.result import Answer


def grade(
    rollouts: Sequence[dict],
    prompts: Sequence[dict],
    grader: str,
    sandbox: SandboxSettings | None = None,
    judge: Judge | None = None,
) -> pa.Table:
    """The rewards table of `rollouts`; their prompts must be among `prompts`.

    A grader is a module of this package with a function `grade`: answers and the settings of the
    sandbox (or of the judge) to grades, and to a description of either if there was one. Or it is
    the `module:function` of one's own (`askd.rewards.own`).

    If programs were run, the metadata of the table say in which sandbox; if answers were judged,
    they say what is known of the judge.

    Raises:
        AskdError: the grader or a rollout's prompt is unknown, a reference is not what the
            grader expects, a function of one's own fails, or the judge's endpoint does.
    """
    if grader not in GRADERS and ":" not in grader:
        raise AskdError(f"unknown grader {grader!r}; {nearest(grader, GRADERS)}")
    answers = answers_of(rollouts, prompts)
    judged = grader == "judge"
    if grader in GRADERS:
        grades, about = import_module(f"askd.rewards.{grader}").grade(
            answers, (judge or RuleJudge()) if judged else (sandbox or SandboxSettings())
        )
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
    kind = b"judge" if judged else b"sandbox"
    return table.replace_schema_metadata({**REWARDS.metadata, kind: json.dumps(about)})


def answers_of(rollouts: Sequence[dict], prompts: Sequence[dict]) -> list[Answer]:
    """The rows of `rollouts` as graders read them.

    Raises:
        AskdError: a rollout's prompt is not among `prompts`.
    """
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
    return answers


def tool(grader: str) -> dict[str, str]:
    """Name and version of the software that decides for `grader` whether an answer is right."""
    if grader == "math":
        return {"name": "math-verify", "version": version("math-verify")}
    return {"name": "askd", "version": __version__}


def sandbox_of(rewards: pa.Table) -> dict | None:
    """In which sandbox the programs of a rewards table were run; None if there were none."""
    return _about(rewards, b"sandbox")


def judge_of(rewards: pa.Table) -> dict | None:
    """What is known of the judge of a rewards table; None if there was none."""
    return _about(rewards, b"judge")


def _about(rewards: pa.Table, kind: bytes) -> dict | None:
    text = (rewards.schema.metadata or {}).get(kind)
    return None if text is None else json.loads(text)
