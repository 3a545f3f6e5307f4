"""Supervised training on written answers, with the training loop of distillation.

The likelihood of the answers is the only term. Models learn a task like this before any
distillation: from scratch, or in a few steps if they were pretrained elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from askd.config import Method, NllTerm, Rollout, SandboxSettings, Training
from askd.models.chat import prompt_tokens, response_tokens
from askd.models.folder import LanguageModel
from askd.rewards.grade import grade
from askd.rollout.engine import requests, sample
from askd.training.objective import Objective
from askd.training.rows import Row
from askd.training.trainer import DistillationTrainer


class CorpusSource:
    """Rows of consecutive stretches of a corpus: rows of a prompts table, to be answered with
    their `response`."""

    def __init__(
        self, records: Sequence[dict], tokenizer: PreTrainedTokenizerBase, batch_size: int
    ) -> None:
        self.records = records
        self.tokenizer = tokenizer
        self.rows_per_step = batch_size
        self.steps = len(records) // batch_size
        # Prompts recur, and rendering a chat template is slow.
        self._prompt_tokens = cache(lambda text: prompt_tokens(tokenizer, json.loads(text)))

    def rows(self, step: int) -> list[Row]:
        """The rows of `step`."""
        start = step * self.rows_per_step
        return [
            Row(
                side="reference",
                prompt_id=record["prompt_id"],
                sample_id=0,
                prompt=self._prompt_tokens(json.dumps(record["messages"])),
                response=response_tokens(self.tokenizer, record["response"]),
                text=record["response"],
            )
            for record in self.records[start : start + self.rows_per_step]
        ]


def train_on_answers(
    language_model: LanguageModel,
    records: Sequence[dict],
    training: Training,
    name: str,
    state: Path,
    is_done: Callable[[int], bool] = lambda _: False,
) -> list[dict]:
    """Train the model in place on the `response` of each record, and return the log.

    Args:
        language_model: the model.
        records: rows of a prompts table, `prompts_per_step` for each step, in order.
        training: steps, optimizer and learning rate; the loss is a mean over all tokens of a step.
        name: names the model in errors.
        state: folder of the checkpoints.
        is_done: is asked after each step, with the number of steps taken, whether to end early.
    """
    tokenizer = language_model.tokenizer
    objective = Objective(
        Method(label="likelihood", reference=NllTerm(divergence="nll")),
        language_model.model,
        teacher=None,
        vocabulary=language_model.vocabulary,
        pad_token_id=tokenizer.pad_token_id,
        reduction="token",
        head_chunk=training.head_chunk,
    )
    trainer = DistillationTrainer(
        language_model.model,
        CorpusSource(records, tokenizer, training.prompts_per_step),
        objective,
        training,
        training.learning_rate,
        first_step=0,
        total_steps=training.steps_per_round,
        state=state,
        name=name,
        is_done=is_done,
    )
    return trainer.run()[1]


def accuracy(
    language_model: LanguageModel,
    prompts: Sequence[dict],
    grader: str,
    sandbox: SandboxSettings | None,
    stream: str,
    rollout: Rollout | None = None,
) -> float:
    """Share of right answers to `prompts`, in one sample at temperature 1.

    Without `rollout`, answers may be a little longer than the longest worked one.
    """
    if rollout is None:
        answers = [response_tokens(language_model.tokenizer, row["response"]) for row in prompts]
        rollout = Rollout(max_new_tokens=max(map(len, answers)) + 3)
    language_model.model.eval()
    rollouts = sample(
        language_model,
        requests(language_model, prompts, 1),
        rollout.model_copy(update={"temperature": 1.0, "top_p": 1.0}),
        seed=0,
        stream=stream,
    )
    language_model.model.train()
    correct = grade(rollouts, prompts, grader, sandbox).column("correct").to_pylist()
    return sum(correct) / len(correct)
