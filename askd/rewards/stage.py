"""What the grade stage writes: the rewards, and what is known of a judge. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from askd.artifacts import REWARDS, write_json, write_table
from askd.config import Judge, RuleJudge, SandboxSettings
from askd.errors import AskdError
from askd.rewards.grade import answers_of, grade, judge_of


def write_rewards(
    output: Path,
    rollouts: Sequence[dict],
    prompts: Sequence[dict],
    grader: str,
    sandbox: SandboxSettings,
    judge: Judge,
) -> None:
    """Write the rewards table to `output`, and beside it NAME.judge.json if a judge gave them.

    The latter holds the rates of the judge, and the calls of this run: so the rewards have the same
    bytes whether a reply was paid for or came from the cache.
    """
    table = grade(rollouts, prompts, grader, sandbox, judge)
    about = judge_of(table)
    if about is not None:
        write_json(output.with_suffix(".judge.json"), about)
        table = table.replace_schema_metadata(REWARDS.metadata)
    write_table(output, table, REWARDS)


def estimate_cost(
    rollouts: Sequence[dict], prompts: Sequence[dict], grader: str, judge: Judge
) -> str:
    """A sentence on what the judge would cost for `rollouts`; calls nothing.

    Raises:
        AskdError: the grader asks no endpoint, or a reference holds no baseline.
    """
    if grader != "judge" or isinstance(judge, RuleJudge):
        raise AskdError("grade: --estimate is for --grader judge with a judge of kind 'endpoint'.")
    from askd.judge.endpoint import estimate
    from askd.rewards.judge import pair

    return estimate([pair(answer) for answer in answers_of(rollouts, prompts)], judge)
