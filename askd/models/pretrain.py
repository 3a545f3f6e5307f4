"""The pretrain stage: a tiny Qwen2-architecture model, trained from scratch on worked answers.

It stands in for a pretrained model where none can be downloaded. The training loop is the one of
distillation, with the likelihood of a generated corpus as its only term.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM

from askd.artifacts import write_text
from askd.config import (
    ArithmeticTask,
    Method,
    NllTerm,
    PretrainedFromScratch,
    Rollout,
    Strict,
    Training,
)
from askd.errors import AskdError
from askd.models.chat import prompt_tokens, response_tokens
from askd.models.folder import LanguageModel, default_device, save
from askd.models.tokenizer import character_tokenizer
from askd.rewards.grade import grade
from askd.rollout.engine import requests, sample
from askd.state import resumable
from askd.tasks import arithmetic
from askd.training.objective import Objective
from askd.training.rows import Row
from askd.training.trainer import DistillationTrainer

CONTEXT_LENGTH = 256
# Steps between two looks at the validation accuracy.
CHECK_EVERY = 20


class PretrainSettings(Strict):
    """What a pretraining reads of the configuration."""

    name: str
    model: PretrainedFromScratch
    task: ArithmeticTask


class CorpusSource:
    """Rows of consecutive stretches of a corpus."""

    def __init__(
        self, records: Sequence[dict], tokenizer: PreTrainedTokenizerBase, batch_size: int
    ) -> None:
        self.records = records
        self.tokenizer = tokenizer
        self.rows_per_step = batch_size
        self.steps = len(records) // batch_size
        # Expressions recur, and rendering a chat template is slow.
        self._prompt_tokens = cache(
            lambda content: prompt_tokens(tokenizer, [{"role": "user", "content": content}])
        )

    def rows(self, step: int) -> list[Row]:
        """The rows of `step`."""
        start = step * self.rows_per_step
        return [
            Row(
                side="reference",
                prompt_id=record["prompt_id"],
                sample_id=0,
                prompt=self._prompt_tokens(record["messages"][0]["content"]),
                response=response_tokens(self.tokenizer, record["response"]),
                text=record["response"],
            )
            for record in self.records[start : start + self.rows_per_step]
        ]


def accuracy(language_model: LanguageModel, task: ArithmeticTask) -> float:
    """Fraction of the task's validation prompts that one sample at temperature 1 gets right."""
    prompts = arithmetic.prompts(task)["validation"]
    longest = max(len(prompt["response"]) for prompt in prompts)
    language_model.model.eval()
    rollouts = sample(
        language_model,
        requests(language_model, prompts, 1),
        Rollout(max_new_tokens=longest + 4),
        seed=0,
        stream="pretrain",
    )
    language_model.model.train()
    return float(np.mean(grade(rollouts, prompts, task.grader).column("correct").to_numpy(False)))


def pretrain(settings: PretrainSettings, output: Path, metrics: Path, state: Path) -> None:
    """Train the model and write its folder to `output` and its log to `metrics`."""
    spec = settings.model
    if spec.hidden_size % (2 * spec.heads):
        raise AskdError(
            f"models.{settings.name}: hidden_size {spec.hidden_size} is not a multiple of twice "
            f"heads ({2 * spec.heads}), as rotary position embeddings need."
        )
    with resumable(state, settings.model_dump(mode="json")) as folder:
        tokenizer = character_tokenizer(CONTEXT_LENGTH)
        torch.manual_seed(spec.seed)
        model = Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=len(tokenizer),
                hidden_size=spec.hidden_size,
                intermediate_size=3 * spec.hidden_size,
                num_hidden_layers=spec.layers,
                num_attention_heads=spec.heads,
                num_key_value_heads=spec.heads,
                max_position_embeddings=CONTEXT_LENGTH,
                tie_word_embeddings=True,
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        ).to(default_device())
        student = LanguageModel(model, tokenizer, output)
        size = spec.steps * spec.batch_size
        records = arithmetic.corpus(settings.task, spec.errors, size, spec.seed)
        training = Training(
            learning_rate=spec.learning_rate,
            steps_per_round=spec.steps,
            prompts_per_step=spec.batch_size,
            micro_batch_size=spec.batch_size,
            warmup_steps=30,
            final_learning_rate=0.05 if spec.stop_at_accuracy is None else 1.0,
            weight_decay=0.01,
            checkpoint_every=100,
        )
        objective = Objective(
            Method(label="likelihood", reference=NllTerm(divergence="nll")),
            model,
            teacher=None,
            vocabulary=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            reduction="token",
            head_chunk=training.head_chunk,
        )
        trainer = DistillationTrainer(
            model,
            CorpusSource(records, tokenizer, spec.batch_size),
            objective,
            training,
            spec.learning_rate,
            first_step=0,
            total_steps=spec.steps,
            state=folder,
            name=settings.name,
            is_done=lambda step: (
                spec.stop_at_accuracy is not None
                and step % CHECK_EVERY == 0
                and accuracy(student, settings.task) >= spec.stop_at_accuracy
            ),
        )
        _, log = trainer.run()
        if spec.stop_at_accuracy is not None and log[-1]["step"] == spec.steps:
            raise AskdError(
                f"models.{settings.name}: the accuracy is still below stop_at_accuracy "
                f"{spec.stop_at_accuracy} after {spec.steps} steps; raise steps."
            )
        write_text(metrics, "".join(json.dumps(entry) + "\n" for entry in log))
        save(model, tokenizer, output)
