"""Comparison of our evaluation with the field's own benchmark tools."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from askd.config.base import Strict


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
        default=".venv-evaluate/bin/python",
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
