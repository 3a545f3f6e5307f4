"""Student outputs during a round: those of the stages first, then sampled anew by the trainer.

A window is a number of steps that share the outputs of one student. The functions are those of the
rollout, score, grade and project stages; this is the second place that calls them.
"""

from __future__ import annotations

from collections.abc import Sequence

from askd.artifacts import table_from_rows
from askd.config import Advantage, Judge, Method, Rollout, SandboxSettings
from askd.models.folder import LanguageModel
from askd.rewards.grade import grade
from askd.rewards.project import project
from askd.rollout.engine import requests, rollouts_schema, sample
from askd.rollout.stage import score_table
from askd.training.rows import Outputs


class StudentOutputs:
    """The outputs that each step of a round trains on.

    Args:
        first: outputs of the first window, from the stages.
        window: steps that share a window; 0 makes the whole round one window.
        method: says how to sample, and whether teacher scores and rewards are needed.
        schedule: prompt ids of each step.
        prompts: rows of the prompts table by id.
        student: the model in training.
        teacher: samples with the student, where the method's policy says so, and scores the
            outputs, where its estimator reads that.
        rollout: sampling settings.
        advantage: normalisation of rewards.
        beta: scale of the projection to skewness.
        grader: gives the rewards.
        sandbox: where the grader runs programs.
        judge: who judges, if the grader asks a judge.
        head_chunk: response tokens whose logits exist at the same time.
        seed: of the run.
        stream: names the round.
    """

    def __init__(
        self,
        first: Outputs,
        window: int,
        method: Method,
        schedule: Sequence[Sequence[str]],
        prompts: dict[str, dict],
        student: LanguageModel,
        teacher: LanguageModel | None,
        rollout: Rollout,
        advantage: Advantage,
        beta: float,
        grader: str,
        sandbox: SandboxSettings | None,
        judge: Judge | None,
        head_chunk: int,
        seed: int,
        stream: str,
    ) -> None:
        self.window = window or len(schedule)
        self.method = method
        self.schedule = schedule
        self.prompts = prompts
        self.student = student
        self.teacher = teacher
        self.rollout = rollout
        self.advantage = advantage
        self.beta = beta
        self.grader = grader
        self.sandbox = sandbox
        self.judge = judge
        self.head_chunk = head_chunk
        self.seed = seed
        self.stream = stream
        self._current = 0
        self._outputs = first

    def __call__(self, step: int) -> Outputs:
        """The outputs for `step`, from the student as it is now if a new window begins."""
        number = step // self.window
        if number != self._current:
            self._outputs = self._sample(number * self.window)
            self._current = number
        return self._outputs

    def _sample(self, first_step: int) -> Outputs:
        steps = self.schedule[first_step : first_step + self.window]
        prompt_ids = dict.fromkeys(prompt_id for step in steps for prompt_id in step)
        prompts = [self.prompts[prompt_id] for prompt_id in prompt_ids]
        model = self.student.model
        model.eval()
        rows = sample(
            self.student,
            requests(self.student, prompts, self.rollout.samples_per_prompt),
            self.rollout,
            self.seed,
            f"{self.stream} step {first_step}",
            self.method.policy,
            self.teacher,
        )
        model.train()
        where = f"student outputs of step {first_step}"
        others = []
        if self.method.is_sampled("sgo"):
            others.append(
                score_table(
                    self.teacher,
                    rows,
                    self.prompts,
                    self.rollout.batch_size,
                    self.head_chunk,
                )
            )
        if self.method.uses_rewards("sgo"):
            rewards = grade(rows, prompts, self.grader, self.sandbox, self.judge)
            others += [rewards, project(rewards, self.advantage, self.beta, where=where)]
        return Outputs(table_from_rows(rows, rollouts_schema(self.method.policy)), others, where)
