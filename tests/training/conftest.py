"""A round of training in a folder of its own."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from askd.config import Advantage, SandboxSettings, Skewness, Training
from askd.training.source import RoundSource
from askd.training.stage import TrainSettings, train

BASE = {"learning_rate": 0.01, "steps_per_round": 6, "prompts_per_step": 2, "warmup_steps": 2}


class Killed(Exception):
    """Stands for the kill of a process."""


@pytest.fixture
def die(run_round, monkeypatch):
    """Runs a training that is killed when it asks for the rows of step `at`."""

    def run(at: int, name: str = "run", **settings) -> None:
        rows = RoundSource.rows

        def killed(self, step):
            if step == at:
                raise Killed
            return rows(self, step)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(RoundSource, "rows", killed)
            run_round(name, **settings)

    return run


@pytest.fixture
def run_round(folders, round_, prompts_path, rollout_settings, methods, tmp_path):
    """Runs the train stage on the tables of the round; runs of one name share their state.

    With `states` the state stays until that is closed.
    """

    def run(
        name: str,
        method: str = "askd",
        tables=None,
        round_number: int = 0,
        sandbox: SandboxSettings | None = None,
        states: ExitStack | None = None,
        **training,
    ):
        method = methods[method] if isinstance(method, str) else method
        settings = TrainSettings(
            name="the run",
            method=method,
            learning_rate=training.pop("learning_rate", 0.01),
            rounds=2,
            training=Training(**{**BASE, "checkpoint_every": 2, **training}),
            rollout=rollout_settings,
            advantage=Advantage(),
            skewness=Skewness(),
            grader="arithmetic",
            sandbox=sandbox,
        )
        student = getattr(round_, method.policy.kind if method.policy else "student")
        sides = {"teacher": round_.teacher, "student": student, **(tables or {})}
        output = tmp_path / name
        with ExitStack() as own:
            train(
                settings,
                0,
                round_number,
                folders.student,
                folders.teacher,
                prompts_path,
                round_.schedule,
                sides["teacher"],
                sides["student"],
                output,
                tmp_path / "state" / name,
                states or own,
            )
        return output

    return run
