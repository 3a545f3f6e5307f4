"""The pretrain stage: a tiny Qwen2-architecture model, trained from scratch on worked answers.

It stands in for a pretrained model where none can be downloaded. The training loop is the one of
distillation, with the likelihood of a generated corpus as its only term.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM

from askd.artifacts import write_text
from askd.config import ArithmeticTask, Method, NllTerm, PretrainedFromScratch, Strict, Training
from askd.errors import AskdError
from askd.models.chat import prompt_tokens, response_tokens
from askd.models.folder import default_device, save
from askd.models.tokenizer import character_tokenizer
from askd.state import resumable
from askd.tasks.arithmetic import corpus
from askd.training.objective import Objective
from askd.training.rows import Row
from askd.training.trainer import DistillationTrainer

CONTEXT_LENGTH = 256


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
        records = corpus(settings.task, spec.errors, spec.steps * spec.batch_size, spec.seed)
        training = Training(
            learning_rate=spec.learning_rate,
            steps_per_round=spec.steps,
            prompts_per_step=spec.batch_size,
            micro_batch_size=spec.batch_size,
            warmup_steps=30,
            final_learning_rate=0.05,
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
        )
        _, log = trainer.run()
        write_text(metrics, "".join(json.dumps(entry) + "\n" for entry in log))
        save(model, tokenizer, output)
