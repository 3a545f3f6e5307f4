"""The rows of a distillation round: reference answers, teacher outputs, student outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from transformers import PreTrainedTokenizerBase

from askd.config import Method, Term
from askd.errors import AskdError
from askd.models.chat import prompt_tokens, response_tokens
from askd.objectives.outcome import leave_one_out, outcome_weight
from askd.training.rows import Outputs, Row


class RoundSource:
    """Rows of one round of a method.

    Args:
        method: says which sides are trained on.
        schedule: prompt ids of each step.
        prompts: rows of the prompts table by id.
        tokenizer: of the student.
        samples_per_prompt: number of outputs of each prompt and side.
        teacher_outputs: for a `tgo` term.
        student_outputs: for an `sgo` term; gives the outputs that a step is to train on, sampled
            anew from the student as it is then where the configuration says so.
    """

    def __init__(
        self,
        method: Method,
        schedule: Sequence[Sequence[str]],
        prompts: dict[str, dict],
        tokenizer: PreTrainedTokenizerBase,
        samples_per_prompt: int,
        teacher_outputs: Outputs | None = None,
        student_outputs: Callable[[int], Outputs] | None = None,
    ) -> None:
        self.method = method
        self.schedule = schedule
        self.prompts = prompts
        self.tokenizer = tokenizer
        self.teacher_outputs = teacher_outputs
        self.student_outputs = student_outputs
        self.steps = len(schedule)
        per_prompt = {"reference": 1, "tgo": samples_per_prompt, "sgo": samples_per_prompt}
        self.rows_per_step = len(schedule[0]) * sum(per_prompt[side] for side in method.terms)
        self._prompt_tokens = cache(
            lambda prompt_id: prompt_tokens(tokenizer, prompts[prompt_id]["messages"])
        )

    def rows(self, step: int) -> list[Row]:
        """The rows of `step`; steps are asked for in order, each when it is about to be taken."""
        return self._rows(step, self.method.terms)

    def check_context(self, context: int | None) -> None:
        """Refuse rows longer than the `context` of the student; None is one without a bound.

        Its own outputs were sampled within it.

        Raises:
            AskdError: names the prompt, the side, and how long the row is.
        """
        sides = {side: term for side, term in self.method.terms.items() if side != "sgo"}
        for step in range(self.steps):
            for row in self._rows(step, sides):
                length = len(row.prompt) + len(row.response)
                if context is not None and length > context:
                    raise AskdError(
                        f"prompt {row.prompt_id!r} has {len(row.prompt)} tokens and its {row.side} "
                        f"answer {len(row.response)}, which exceeds the student's context of "
                        f"{context} tokens; leave it out of the task, or shorten it."
                    )

    def _rows(self, step: int, terms: Mapping[str, Term]) -> list[Row]:
        prompt_ids = self.schedule[step]
        rows: list[Row] = []
        for side, term in terms.items():
            if side == "reference":
                rows += [self._reference(prompt_id) for prompt_id in prompt_ids]
                continue
            outputs = self.teacher_outputs if side == "tgo" else self.student_outputs(step)
            clips = getattr(term, "clip_correct", False)
            own = [self._output(side, row, clips) for row in outputs.of(prompt_ids)]
            if getattr(term, "outcome", "none") == "leave_one_out":
                own = _with_outcomes(own)
            rows += own
        return rows

    def _reference(self, prompt_id: str) -> Row:
        answer = self.prompts[prompt_id]["response"]
        if not answer:
            raise AskdError(
                f"prompts: {prompt_id!r} has no `response`, the worked answer that the method "
                f"{self.method.label} trains on."
            )
        return Row(
            side="reference",
            prompt_id=prompt_id,
            sample_id=0,
            prompt=self._prompt_tokens(prompt_id),
            response=response_tokens(self.tokenizer, answer),
            text=answer,
        )

    def _output(self, side: str, row: dict, clips: bool) -> Row:
        # Teacher outputs that were sampled unwarped carry their teacher log-probabilities already.
        own = row["sampler_logprobs"] if side == "tgo" else ()
        known = ("alpha", "reward", "advantage", "reason")
        optional = {key: row[key] for key in known if key in row}
        return Row(
            side=side,
            prompt_id=row["prompt_id"],
            sample_id=row["sample_id"],
            prompt=self._prompt_tokens(row["prompt_id"]),
            response=row["token_ids"],
            text=row["text"],
            kappa=row["kappa"] if clips else 1.0,
            teacher_logprobs=row.get("teacher_logprobs", own),
            sampler_logprobs=row["sampler_logprobs"],
            student_logprobs=row.get("student_logprobs", ()),
            **optional,
        )


def _with_outcomes(rows: Sequence[Row]) -> list[Row]:
    """The rows of one side with what their whole answers are worth beside the others'."""
    values = [outcome_weight(row.side, row.alpha, row.kappa) for row in rows]
    outcomes = leave_one_out(values, [row.prompt_id for row in rows])
    return [replace(row, outcome=value) for row, value in zip(rows, outcomes, strict=True)]
