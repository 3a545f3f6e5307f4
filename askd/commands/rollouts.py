"""Commands that sample responses and measure their quality."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askd.commands.options import (
    Model,
    OptionalTable,
    Output,
    Prompts,
    Rollouts,
    Schedule,
    Seed,
    Settings,
    State,
    Student,
    Teacher,
    option,
)

app = typer.Typer()


@app.command()
def rollout(
    settings: Settings,
    seed: Seed,
    stream: Annotated[str, option("Names the use; two streams share no random numbers.")],
    model: Model,
    prompts: Prompts,
    schedule: Schedule,
    round_: Annotated[int, typer.Option("--round", help="Round of the schedule.")],
    steps: Annotated[int, option("Sample for this many steps from the start of the round.")],
    output: Output,
    state: State,
    policy: Annotated[
        str | None, option("JSON of the policy, for a student that samples with its teacher.")
    ] = None,
    teacher: Annotated[Path | None, option("Model folder of that teacher.")] = None,
) -> None:
    """Sample responses from a model to the prompts of a round."""
    from askd.artifacts import SCHEDULE, read_table
    from askd.config import Policy, Rollout, validated_json
    from askd.rollout.stage import rollout as run
    from askd.training.schedule import prompts_of_steps

    prompt_ids = prompts_of_steps(read_table(schedule, SCHEDULE), round_, 0, steps)
    run(
        model,
        prompts,
        prompt_ids,
        validated_json(Rollout, settings),
        seed,
        stream,
        output,
        state,
        None if policy is None else validated_json(Policy, policy),
        teacher,
    )


@app.command()
def score(
    teacher: Teacher,
    student: Student,
    prompts: Prompts,
    rollouts: Rollouts,
    settings: Settings,
    head_chunk: Annotated[
        int, typer.Option(min=1, help="Response tokens whose logits exist at the same time.")
    ],
    output: Output,
) -> None:
    """Write the teacher's log-probabilities of sampled responses."""
    from askd.config import Rollout, validated_json
    from askd.rollout.stage import score_rollouts

    score_rollouts(
        teacher,
        student,
        prompts,
        rollouts,
        validated_json(Rollout, settings),
        head_chunk,
        output,
    )


@app.command()
def grade(
    grader: Annotated[str, option("Name of the grader.")],
    prompts: Prompts,
    rollouts: Rollouts,
    output: Output,
    sandbox: Annotated[str, option("JSON of the sandbox's settings, for code.")] = "{}",
) -> None:
    """Write a reward for each rollout."""
    from askd.artifacts import PROMPTS, REWARDS, ROLLOUTS, read_table, write_table
    from askd.config import SandboxSettings, validated_json
    from askd.rewards.grade import grade as run

    table = run(
        read_table(rollouts, ROLLOUTS).to_pylist(),
        read_table(prompts, PROMPTS).to_pylist(),
        grader,
        validated_json(SandboxSettings, sandbox),
    )
    write_table(output, table, REWARDS)


@app.command()
def project(
    settings: Settings,
    beta: Annotated[float, option("Scale of the projection.")],
    rewards: Annotated[Path, option("Rewards table.")],
    output: Output,
    pooled_with: OptionalTable = None,
) -> None:
    """Write advantage, skewness and clip for each reward."""
    from askd.artifacts import REWARDS, SKEWNESS, read_table, write_table
    from askd.config import Advantage, validated_json
    from askd.rewards.project import project as run

    other = None if pooled_with is None else read_table(pooled_with, REWARDS)
    table = run(
        read_table(rewards, REWARDS), validated_json(Advantage, settings), beta, other, rewards
    )
    write_table(output, table, SKEWNESS)
