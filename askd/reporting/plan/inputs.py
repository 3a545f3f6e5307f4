"""What a plan knows of models and tasks before anything has run."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from statistics import fmean

from askd.config import (
    Architecture,
    Config,
    DatasetTask,
    GeneratedTask,
    Lengths,
    ModelFromPackage,
    ModelFromSource,
    PretrainedFromScratch,
    PrunedModel,
)
from askd.errors import AskdError
from askd.reporting.plan.costs import Size
from askd.reporting.plan.judging import judging
from askd.tasks import generated
from askd.tasks.jsonl import read
from askd.tasks.sources import rows_of

# The tiny models' tokenizer: printable ASCII, space, line feed and six special tokens.
CHARACTERS = 102
# Special tokens of a prompt and of a response in their chat template.
PROMPT_MARKS, RESPONSE_MARKS = 3, 1
UNKNOWN_PROMPT = 256


class Inputs:
    """Models and prompts of a configuration: sizes, types, lengths, numbers, judging.

    Args:
        config: the configuration.
        models: the folder of the run's models; those that are there are read from it.
    """

    def __init__(self, config: Config, models: Path) -> None:
        self.config = config
        self.models = models
        self._rows: dict[tuple[str, str], dict[str, int]] = {}

    def size(self, name: str) -> Size:
        """The sizes of the model `name`.

        Raises:
            AskdError: nothing says how large it is.
        """
        return Size(self._architecture(name))

    def _architecture(self, name: str) -> Architecture:
        model = self.config.models[name]
        if name in self.config.plan.models:
            return self.config.plan.models[name]
        if isinstance(model, PretrainedFromScratch):
            return Architecture(
                hidden_size=model.hidden_size,
                intermediate_size=3 * model.hidden_size,
                num_hidden_layers=model.layers,
                num_attention_heads=model.heads,
                vocab_size=CHARACTERS,
                tie_word_embeddings=True,
            )
        if isinstance(model, PrunedModel):
            layers = len(model.prune.keep_layers)
            origin = self._architecture(model.prune.model)
            return origin.model_copy(update={"num_hidden_layers": layers})
        if not isinstance(model, ModelFromSource | ModelFromPackage):
            return self._architecture(model.warm_start.model)
        folders = [self.models / name]
        if isinstance(model, ModelFromSource) and model.revision is None:
            folders.append(Path(model.source))
        for folder in folders:
            if (folder / "config.json").is_file():
                found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
                known = {key: found[key] for key in Architecture.model_fields if key in found}
                return Architecture(**known)
        raise AskdError(
            f"plan.models: how large {name!r} is is not known before it is fetched; give its sizes "
            "there, from its config.json."
        )

    def dtype_of(self, name: str) -> str:
        """The type of a model's weights in its folder; trained students are float32."""
        model = self.config.models[name]
        if isinstance(model, PrunedModel):
            return self.dtype_of(model.prune.model)
        return getattr(model, "dtype", None) or "float32"

    @cached_property
    def lengths(self) -> dict[str, Lengths]:
        """Mean lengths of each task: as configured, measured on generated prompts, or a bound."""
        found = {}
        for name, task in self.config.tasks.items():
            if name in self.config.plan.lengths:
                found[name] = self.config.plan.lengths[name]
            elif isinstance(task, GeneratedTask):
                rows = generated.prompts(task)["train"]
                prompt = fmean(len(row["messages"][0]["content"]) for row in rows)
                answer = fmean(len(row["response"]) for row in rows)
                found[name] = Lengths(
                    prompt=round(prompt) + PROMPT_MARKS, response=round(answer) + RESPONSE_MARKS
                )
            else:
                longest = self.config.rollout.max_new_tokens
                found[name] = Lengths(prompt=UNKNOWN_PROMPT, response=longest)
        return found

    def rows(self, task: str, split: str) -> dict[str, int]:
        """Numbers of prompts of a task and split, by level.

        Raises:
            AskdError: a source of a data set does not say how many rows it has.
        """
        if (task, split) not in self._rows:
            self._rows[task, split] = self._count(task, split)
        return self._rows[task, split]

    def prompts(self, pair: str, steps: int) -> int:
        """Distinct prompts of so many steps of a pair's training; raises as `rows`."""
        known = sum(self.rows(self.config.pairs[pair].task, "train").values())
        return min(steps * self.config.section("training", pair).prompts_per_step, known)

    def judging(self, task: str, answers: float) -> dict[str, float]:
        """`calls` and `price` of answers to a task that are graded for a training."""
        judged = answers if self.config.tasks[task].grader == "judge" else 0
        return judging(self.config, self.config.judge, self.lengths[task], judged)

    def _count(self, name: str, split: str) -> dict[str, int]:
        task = self.config.tasks[name]
        if isinstance(task, GeneratedTask):
            return {level: getattr(counts, split) for level, counts in task.levels.items()}
        counts: dict[str, int] = {}
        if isinstance(task, DatasetTask):
            for number, source in enumerate(getattr(task, split)):
                if source.size is None and source.path is None:
                    raise AskdError(
                        f"plan: tasks.{name}.{split}.{number} does not say how many rows it has; "
                        "give its `size`."
                    )
                size = source.size or len(rows_of(source)) - source.skip
                counts[source.level_name] = counts.get(source.level_name, 0) + size
            return counts
        for row in read(getattr(task, split), task.grader):
            counts[row["level"]] = counts.get(row["level"], 0) + 1
        return counts
