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
    Seeds,
    Settings,
    State,
    Student,
    Teacher,
    of_seed,
    option,
    runs,
)

app = typer.Typer()


@app.command()
def rollout(
    settings: Settings,
    seed: Seeds,
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
    """Sample responses from a model to the prompts of a round.

    `{seed}` in a path stands for each seed.
    """
    from contextlib import ExitStack

    from askd.artifacts import SCHEDULE, read_table
    from askd.config import Policy, Rollout, validated_json
    from askd.rollout.stage import rollout as run
    from askd.training.schedule import prompts_of_steps

    chosen = validated_json(Rollout, settings)
    chosen_policy = None if policy is None else validated_json(Policy, policy)
    with ExitStack() as states:
        for one, written in runs(seed, output):
            deal = read_table(of_seed(schedule, one), SCHEDULE)
            run(
                of_seed(model, one),
                prompts,
                prompts_of_steps(deal, round_, 0, steps),
                chosen,
                one,
                stream,
                written,
                of_seed(state, one),
                states,
                chosen_policy,
                teacher,
            )


@app.command()
def score(
    seed: Seeds,
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
    """Write the teacher's log-probabilities of sampled responses.

    `{seed}` in a path stands for each seed.
    """
    from askd.config import Rollout, validated_json
    from askd.rollout.stage import score_rollouts

    chosen = validated_json(Rollout, settings)
    for one, written in runs(seed, output):
        score_rollouts(
            teacher, student, prompts, of_seed(rollouts, one), chosen, head_chunk, written
        )


@app.command()
def grade(
    seed: Seeds,
    grader: Annotated[str, option("Name of the grader, or module:function of your own.")],
    prompts: Prompts,
    rollouts: Rollouts,
    output: Output,
    sandbox: Annotated[str, option("JSON of the sandbox's settings, for code.")] = "{}",
    judge: Annotated[str, option("JSON of the judge's settings.")] = '{"kind": "rule"}',
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what an endpoint would cost, and stop.")
    ] = False,
) -> None:
    """Write a reward for each rollout, and beside them NAME.judge.json if a judge gave them.

    `{seed}` in a path stands for each seed.
    """
    from askd.artifacts import PROMPTS, ROLLOUTS, read_table
    from askd.config import Judge, SandboxSettings, validated_json
    from askd.rewards.stage import estimate_cost, write_rewards

    rows = read_table(prompts, PROMPTS).to_pylist()
    places = validated_json(SandboxSettings, sandbox), validated_json(Judge, judge)
    for one, written in runs(seed, output):
        sampled = read_table(of_seed(rollouts, one), ROLLOUTS).to_pylist()
        if estimate:
            print(estimate_cost(sampled, rows, grader, places[1]))
        else:
            write_rewards(written, sampled, rows, grader, *places)


@app.command()
def project(
    settings: Settings,
    seed: Seeds,
    beta: Annotated[float, option("Scale of the projection.")],
    rewards: Annotated[Path, option("Rewards table.")],
    output: Output,
    pooled_with: OptionalTable = None,
) -> None:
    """Write advantage, skewness and clip for each reward; `{seed}` in a path is each seed."""
    from askd.artifacts import REWARDS, SKEWNESS, read_table, write_table
    from askd.config import Advantage, validated_json
    from askd.rewards.project import project as run

    chosen = validated_json(Advantage, settings)
    for one, written in runs(seed, output):
        path = of_seed(rewards, one)
        other = None if pooled_with is None else read_table(of_seed(pooled_with, one), REWARDS)
        table = run(read_table(path, REWARDS), chosen, beta, other, path)
        write_table(written, table, SKEWNESS)
