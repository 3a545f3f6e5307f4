"""The grade stage: a reward for each rollout. Light: imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from askd.artifacts import REWARDS, table_from_rows
from askd.config import nearest
from askd.errors import AskdError
from askd.rewards import arithmetic
from askd.rewards.result import Grade

GRADERS: dict[str, Callable[[str, str, str], Grade]] = {"arithmetic": arithmetic.grade}


def grade(rollouts: Sequence[dict], prompts: Sequence[dict], grader: str) -> pa.Table:
    """The rewards table of `rollouts`; their prompts must be among `prompts`.

    Raises:
        AskdError: the grader or a rollout's prompt is unknown, or a reference is not what the
            grader expects.
    """
    if grader not in GRADERS:
        raise AskdError(f"unknown grader {grader!r}; {nearest(grader, GRADERS)}")
    references = {prompt["prompt_id"]: prompt["reference"] for prompt in prompts}
    rows = []
    for rollout in rollouts:
        prompt_id = rollout["prompt_id"]
        if prompt_id not in references:
            raise AskdError(
                f"rollouts: prompt_id {prompt_id!r} is not in the prompts table; the rollouts "
                "were made from other prompts, run their stage again."
            )
        try:
            result = GRADERS[grader](
                rollout["text"], rollout["finish_reason"], references[prompt_id]
            )
        except ValueError as error:
            raise AskdError(
                f"prompts: the reference {references[prompt_id]!r} of {prompt_id!r} is not a "
                f"number, as grader {grader!r} needs."
            ) from error
        rows.append(
            {
                "prompt_id": prompt_id,
                "sample_id": rollout["sample_id"],
                "reward": result.reward,
                "correct": result.correct,
                "reason": result.reason,
            }
        )
    return table_from_rows(rows, REWARDS)
