"""Evaluation by the field's own benchmark tools, and comparison of ours with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from askd.config.base import Strict

EVALUATE_PYTHON = ".venv-evaluate/bin/python"


class LmEval(Strict):
    """What `snakemake lm_eval` has lm-eval prompt, sample and grade."""

    python: str = Field(
        default=EVALUATE_PYTHON,
        exclude=True,  # where an environment lies changes no result
        description="Interpreter of an environment that has lm-eval, as `agreement.python`.",
    )
    pairs: list[str] = Field(min_length=1, description="Pairs.")
    systems: list[str] = Field(
        min_length=1, description="`teacher`, `student` and names of methods."
    )
    tasks: list[str] = Field(
        default=[],
        description="Tasks and groups of lm-eval whose answers are right or wrong, such as `gsm8k` "
        "and `minerva_math`; it fetches them from the hub.",
    )
    files: dict[str, Annotated[dict[str, str], Field(min_length=1)]] = Field(
        default={},
        description="Files in place of the hub's, by task (such as `gsm8k`; of a group, each of "
        "its tasks) and by split as the task names it (`train`, `test`): JSON Lines or Parquet, "
        "with the columns of the data set.",
    )
    benchmarks: list[str] = Field(
        default=[],
        description="Benchmarks of this configuration whose references are numbers, as local tasks "
        "of lm-eval.",
    )
    chat_template: bool = Field(
        default=True, description="Whether prompts go through the model's chat template."
    )
    max_new_tokens: PositiveInt | None = Field(
        default=None, description="Longest answer in tokens; null: `rollout.max_new_tokens`."
    )
    limit: PositiveInt | None = Field(
        default=None, description="Items of each task, the first ones; null: all."
    )
    engine: Literal["transformers", "vllm"] = Field(
        default="transformers",
        description="What lm-eval samples with; vLLM runs as `rollout.vllm` says, in the "
        "interpreter `python`.",
    )
    dtype: str = Field(
        default="auto",
        description="Type of the weights; auto: `evaluation.dtype`, and where that is not set, as "
        "in the folder, with vLLM `rollout.vllm.dtype`.",
    )

    @model_validator(mode="after")
    def _runs_something(self) -> LmEval:
        if not self.tasks and not self.benchmarks:
            raise ValueError("neither tasks nor benchmarks: nothing to run")
        if self.files and not self.tasks:
            raise ValueError("files: of tasks, but no tasks are named")
        return self


class Answered(Strict):
    """A benchmark and the model that answers it."""

    model: str = Field(description="Name of a model.")
    benchmark: str = Field(description="Name of a benchmark.")


class AnsweredHumanEval(Strict):
    """The model that answers HumanEval."""

    model: str = Field(description="Name of a model.")
    max_new_tokens: PositiveInt = Field(default=256, description="Longest answer in tokens.")


class Agreement(Strict):
    """What `snakemake agreement` compares."""

    python: str = Field(
        default=EVALUATE_PYTHON,
        exclude=True,  # where an environment lies changes no result
        description="Interpreter of the environment that has lm-eval and evalplus (`make "
        "evaluate-env`), relative to the project's folder. Where there is none, that of the jobs, "
        "which then needs askd's extra `evaluate`; with conda, the environment envs/agreement.yaml "
        "takes its place.",
    )
    items: PositiveInt = Field(default=50, description="Items of a benchmark, the first ones.")
    math: Answered = Field(
        description="Answered through lm-eval and through our runner; its references are numbers."
    )
    code: Answered = Field(
        description="Its programs are judged by evalplus and by our sandbox; its references are of "
        "HumanEval's format, with `canonical_solution`."
    )
    humaneval: AnsweredHumanEval | None = Field(
        default=None, description="The problems of HumanEval, answered greedily by a model."
    )
    humaneval_samples: str | None = Field(
        default=None,
        description="File of programs for the problems of HumanEval, as evalplus reads it: JSON "
        "Lines with `task_id` and `solution`, or `completion` of the problem's prompt.",
    )
