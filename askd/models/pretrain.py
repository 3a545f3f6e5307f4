"""The pretrain stage: a tiny Qwen2-architecture model, trained from scratch on worked answers.

It stands in for a pretrained model where none can be downloaded. The training loop is the one of
distillation, with the likelihood of a generated corpus as its only term.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import Field
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM

from askd.artifacts import write_json_lines
from askd.config import (
    ArithmeticTask,
    InstructionsTask,
    PretrainedFromScratch,
    ProgramsTask,
    SandboxSettings,
    Strict,
    Training,
)
from askd.errors import AskdError
from askd.models.folder import LanguageModel, default_device, save
from askd.models.supervised import accuracy, train_on_answers
from askd.models.tokenizer import character_tokenizer
from askd.provenance import digest
from askd.state import resumable
from askd.tasks import generated

CONTEXT_LENGTH = 256
WARMUP_STEPS = 30
# Where a falling learning rate ends, as a fraction of its start.
FINAL_FRACTION = 0.05
# Steps between two looks at the validation accuracy, and steps of the cool-down behind it.
CHECK_EVERY = 20
COOLDOWN_STEPS = 40


class PretrainSettings(Strict):
    """What a pretraining reads of the configuration."""

    name: str = Field(description="Names the model in messages.")
    model: PretrainedFromScratch = Field(description="Size, errors and training.")
    task: ArithmeticTask | ProgramsTask | InstructionsTask = Field(
        discriminator="kind", description="The task that it learns."
    )
    sandbox: SandboxSettings | None = Field(
        default=None, description="Where the grader runs programs, if it does."
    )


def pretrain(settings: PretrainSettings, output: Path, metrics: Path, state: Path) -> None:
    """Train the model and write its folder to `output` and its log to `metrics`."""
    spec = settings.model
    if spec.hidden_size % (2 * spec.heads):
        raise AskdError(
            f"models.{settings.name}: hidden_size {spec.hidden_size} is not a multiple of twice "
            f"heads ({2 * spec.heads}), as rotary position embeddings need."
        )
    computed = {
        "settings": settings.model_dump(mode="json"),
        "code": digest(
            "askd.models.pretrain",
            "askd.objectives.likelihood",
            settings.task.module,
            settings.task.grader_module,
        ),
    }
    with resumable(state, computed) as folder:
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
        phases = _Phases(settings, model, tokenizer, folder)
        log = phases.run()
        write_json_lines(metrics, log)
        save(model, tokenizer, output)


class _Phases:
    """The phases of a pretraining: one with a falling learning rate, or one at the peak until the
    accuracy is reached and a short one that cools it down.

    The accuracy at the peak understates what the model knows: the same weights, cooled down, answer
    far more prompts. A student that was stopped hot would gain from any training whatever.
    """

    def __init__(
        self,
        settings: PretrainSettings,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        state: Path,
    ) -> None:
        self.name = settings.name
        self.spec = settings.model
        self.task = settings.task
        self.sandbox = settings.sandbox
        self.language_model = LanguageModel(model, tokenizer, state)
        self.state = state
        # A corpus that is long enough for both phases.
        size = (self.spec.steps + COOLDOWN_STEPS) * self.spec.batch_size
        self.records = generated.corpus(self.task, self.spec.errors, size, self.spec.seed)
        self.validation = generated.prompts(self.task)["validation"]

    def run(self) -> list[dict]:
        """Train, and return the log."""
        peak, steps, target = (
            self.spec.learning_rate,
            self.spec.steps,
            self.spec.stop_at_accuracy,
        )
        if target is None:
            log = self._phase("falling", 0, steps, peak, final=FINAL_FRACTION)
            lowest = self.spec.lowest_accuracy
            if lowest and (accuracy := self._accuracy()) < lowest:
                raise AskdError(
                    f"models.{self.name}: after {steps} steps the accuracy is {accuracy:.2f}, "
                    f"below lowest_accuracy {lowest}; raise steps, or choose another seed."
                )
            return log
        log = self._phase("peak", 0, steps, peak, final=1.0, is_done=self._accuracy_is_reached)
        taken = log[-1]["step"]
        if taken == steps and not self._accuracy_is_reached(steps):
            raise AskdError(
                f"models.{self.name}: the accuracy is still below stop_at_accuracy {target} after "
                f"{steps} steps; raise steps."
            )
        cooldown = self._phase("cooldown", taken, COOLDOWN_STEPS, peak / 2, final=FINAL_FRACTION)
        return log + [{**entry, "step": taken + entry["step"]} for entry in cooldown]

    def _phase(
        self,
        name: str,
        first: int,
        steps: int,
        learning_rate: float,
        final: float,
        is_done: Callable[[int], bool] = lambda _: False,
    ) -> list[dict]:
        batch_size = self.spec.batch_size
        training = Training(
            learning_rate=learning_rate,
            steps_per_round=steps,
            prompts_per_step=batch_size,
            micro_batch_size=batch_size,
            warmup_steps=WARMUP_STEPS if first == 0 else 0,
            final_learning_rate=final,
            weight_decay=0.01,
            checkpoint_every=100,
        )
        records = self.records[first * batch_size : (first + steps) * batch_size]
        return train_on_answers(
            self.language_model, records, training, self.name, self.state / name, is_done
        )

    def _accuracy_is_reached(self, step: int) -> bool:
        """Whether it is time to look, and the accuracy is high enough."""
        return step % CHECK_EVERY == 0 and self._accuracy() >= self.spec.stop_at_accuracy

    def _accuracy(self) -> float:
        return accuracy(
            self.language_model, self.validation, self.task.grader, self.sandbox, "pretrain"
        )
