"""The one training loop: `transformers.Trainer` with rows, objective and log of our own."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from peft import PeftModel
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import SequentialSampler
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback
from transformers.training_args import TrainingArguments
from transformers.utils import is_torch_bf16_gpu_available

from askd.artifacts import TRAINED_ON, read_table, write_table, write_text
from askd.config import Training
from askd.errors import AskdError
from askd.judge.verdicts import INCONSISTENT, INVALID, REASONS
from askd.training.objective import Objective, Totals
from askd.training.rows import Row, StepSource, trained_on

# Marks a whole checkpoint; says so where the training is not to go on behind it.
COMPLETE = "complete"
ENDED = "ended"


def learning_rate_factor(step: int, total_steps: int, settings: Training) -> float:
    """Fraction of the peak learning rate at `step`: linear warm-up, then a cosine."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, total_steps - settings.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return settings.final_learning_rate + (1 - settings.final_learning_rate) * cosine


class DistillationTrainer(Trainer):
    """Trains a student on the rows of a source; one process, one device.

    The items of its data set are only (step, micro-batch) numbers, since student outputs of a step
    do not exist before the step: rows are asked for when the step is taken.

    Args:
        student: the model to train, in place, or the adapters in it.
        source: gives the rows.
        objective: gives the loss.
        settings: optimizer, schedule, checkpoints.
        learning_rate: the peak.
        first_step: steps that earlier rounds took; the learning rate schedule spans all rounds.
        total_steps: steps of all rounds.
        state: folder of the checkpoints.
        name: names the run in errors.
        is_done: is asked after each step, with the number of steps taken, whether to end early.
        seed: of dropout.

    Raises:
        AskdError: there is a launcher's process group, or a GPU that does not compute in bfloat16.
    """

    def __init__(
        self,
        student: PreTrainedModel | PeftModel,
        source: StepSource,
        objective: Objective,
        settings: Training,
        learning_rate: float,
        first_step: int,
        total_steps: int,
        state: Path,
        name: str,
        is_done: Callable[[int], bool] = lambda _: False,
        seed: int = 0,
    ) -> None:
        is_bfloat16 = settings.dtype == "bfloat16"
        if is_bfloat16 and torch.cuda.is_available() and not is_torch_bf16_gpu_available():
            raise AskdError(
                f"{name}: training.dtype: this GPU does not compute in bfloat16; use float32."
            )
        micro_batches = math.ceil(source.rows_per_step / settings.micro_batch_size)
        # Between two refreshes the student that sampled is gone: resume only where one begins.
        window = settings.refresh_every or 1
        checkpoint_every = math.ceil(settings.checkpoint_every / window) * window
        arguments = TrainingArguments(
            output_dir=str(state),
            max_steps=source.steps,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=micro_batches,
            learning_rate=learning_rate,
            adam_beta1=settings.adam_betas[0],
            adam_beta2=settings.adam_betas[1],
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_steps=checkpoint_every,
            # The one before the last stays until the last is whole.
            save_total_limit=2,
            report_to="none",
            disable_tqdm=not sys.stderr.isatty(),
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            use_cpu=not torch.cuda.is_available(),
            bf16=is_bfloat16,
            activation_checkpointing=settings.gradient_checkpointing,
            seed=seed,
        )
        if arguments.world_size > 1:
            raise AskdError("a training runs in one process; start it without a launcher.")
        self.source = source
        self.objective = objective
        self.settings = settings
        self.first_step = first_step
        self.total_steps = total_steps
        self.state_folder = state
        self.name = name
        self.is_done = is_done
        self.micro_batches = micro_batches
        self._batches: list[list[Row]] = []
        self._totals = Totals([])
        self._sums: dict[str, float] = defaultdict(float)
        self._unsaved: list[tuple[int, Row]] = []
        super().__init__(
            model=student,
            args=arguments,
            train_dataset=[
                (step, micro) for step in range(source.steps) for micro in range(micro_batches)
            ],
            data_collator=lambda items: {"step": items[0][0], "micro": items[0][1]},
            callbacks=[_Hooks(self)],
        )
        self.remove_callback(PrinterCallback)
        # The objective weighs tokens by the whole step, so micro-batches are summed, not averaged.
        self.loss_is_scaled_for_ga = True

    def run(self) -> tuple[pa.Table, list[dict]]:
        """Train from the last whole checkpoint to the end; return trained_on and the log."""
        checkpoint = self._last_checkpoint()
        if checkpoint and (Path(checkpoint) / COMPLETE).read_text() == ENDED:
            steps = int(Path(checkpoint).name.split("-")[1])
            self.args.max_steps = steps
            self.train_dataset = self.train_dataset[: steps * self.micro_batches]
        self.train(resume_from_checkpoint=checkpoint)
        self._save_rows(self.source.steps)
        parts = [read_table(path, TRAINED_ON) for path in sorted(self._row_files())]
        log = [entry for entry in self.state.log_history if "loss" in entry]
        return pa.concat_tables(parts), log

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """The micro-batch's part of the step's loss; refuses a loss that is not finite."""
        step, micro = inputs["step"], inputs["micro"]
        # `Trainer` puts autocast around the student's forward, and the objective calls its parts.
        with self.accelerator.autocast():
            if micro == 0:
                self._begin(step)
            rows = self._batches[micro]
            if not rows:
                return torch.zeros((), requires_grad=True)
            loss, sums = self.objective(rows, self._totals)
        if not torch.isfinite(loss):
            raise AskdError(
                f"{self.name}: the loss is {float(loss.detach())} at step {step} of this round; "
                "lower its learning rate, or choose another estimator for the method."
            )
        for key, value in sums.items():
            self._sums[key] += value
        return loss

    def _begin(self, step: int) -> None:
        rows = self.source.rows(step)
        self._totals = Totals(rows)
        self._unsaved += [(step, row) for row in rows]
        kept = [row for row in rows if row.counts]
        kept.sort(key=lambda row: len(row.prompt) + len(row.response))
        size = math.ceil(len(kept) / self.micro_batches)
        self._batches = [
            kept[number * size : (number + 1) * size] for number in range(self.micro_batches)
        ]
        for side in self.objective.method.terms:
            own = [row for row in rows if row.side == side]
            self._sums[f"{side}_alpha"] = sum(row.alpha for row in own) / len(own)
            self._sums[f"{side}_kept"] = sum(row.kappa != 0 for row in own) / len(own)
            self._sums[f"{side}_tokens"] = sum(len(row.response) for row in own) / len(own)
            if not any(math.isnan(row.reward) for row in own):
                self._sums[f"{side}_reward"] = sum(row.reward for row in own) / len(own)
            if all(row.reason in REASONS for row in own):
                # Of outputs that are sampled anew, no other file says how the judge did.
                for reason in (INCONSISTENT, INVALID):
                    self._sums[f"{side}_{reason}"] = sum(r.reason == reason for r in own) / len(own)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Add what the objective reported to the step's log; refuse a gradient that is not finite.

        `*_coefficient` is the mean effective coefficient of -log q, kappa included.
        `*_inconsistent` and `*_invalid` are the shares of outputs on which a judge contradicted
        itself, or gave no two verdicts that can be read.
        """
        if not math.isfinite(logs.get("grad_norm", 0.0)):
            raise AskdError(
                f"{self.name}: the gradient is not finite at step {self.state.global_step - 1} of "
                "this round; lower its learning rate."
            )
        if "loss" in logs:
            logs = {
                "step": self.state.global_step,
                **{key: logs[key] for key in ("loss", "grad_norm", "learning_rate")},
                **self._sums,
            }
            self._sums.clear()
            if self.state.global_step % max(1, self.source.steps // 10) == 0:
                print(json.dumps(logs), flush=True)
        super().log(logs, *args, **kwargs)

    def create_scheduler(
        self, num_training_steps: int, optimizer: Optimizer | None = None
    ) -> LambdaLR:
        """Warm-up and cosine over all rounds, of which this training is one."""
        self.lr_scheduler = LambdaLR(
            optimizer or self.optimizer,
            lambda step: learning_rate_factor(
                self.first_step + step, self.total_steps, self.settings
            ),
        )
        return self.lr_scheduler

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def _last_checkpoint(self) -> str | None:
        """The newest whole checkpoint; later ones, and rows behind it, are removed."""
        folders = {int(path.name.split("-")[1]): path for path in self._checkpoints()}
        whole = [step for step, path in folders.items() if (path / COMPLETE).is_file()]
        last = max(whole, default=0)
        for step, path in folders.items():
            if step > last:
                shutil.rmtree(path)
        for path in self._row_files():
            if int(path.stem.split("-")[1]) > last:
                path.unlink()
        if last:
            print(f"{self.name}: resuming at step {last}", flush=True)
            return str(folders[last])
        return None

    def _checkpoints(self) -> list[Path]:
        return list(self.state_folder.glob("checkpoint-*"))

    def _row_files(self) -> list[Path]:
        return list(self.state_folder.glob("rows-*.parquet"))

    def _save_rows(self, step: int) -> None:
        """Keep the rows that were trained on since the last time, up to `step`."""
        if self._unsaved:
            path = self.state_folder / f"rows-{step:09d}.parquet"
            write_table(path, trained_on(self._unsaved), TRAINED_ON)
            self._unsaved.clear()

    def checkpoint_is_complete(self, step: int, ended: bool) -> None:
        """Mark the checkpoint of `step` as whole, with the rows up to it beside it."""
        self._save_rows(step)
        path = self.state_folder / f"checkpoint-{step}" / COMPLETE
        write_text(path, ENDED if ended else "")


class _Hooks(TrainerCallback):
    """Ends a training early, and marks a checkpoint as whole behind its last file."""

    def __init__(self, trainer: DistillationTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.trainer.is_done(state.global_step):
            control.should_training_stop = control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.trainer.checkpoint_is_complete(state.global_step, control.should_training_stop)
