"""Public data sets as sources of prompts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from askd.config.base import Name, Strict

AdapterName = Literal[
    "ultrachat",
    "metamathqa",
    "code-r1",
    "gsm8k",
    "math",
    "humaneval",
    "mbpp",
    "evalplus",
    "evalplus-plus",
    "alpaca-eval",
    "evol-instruct",
    "ultrafeedback",
]


class DatasetSource(Strict):
    """Rows of a public data set: of the Hugging Face hub, of a file on the web, or of a local file.

    Exactly one of `dataset`, `url` and `path` says where they come from.
    """

    adapter: AdapterName = Field(description="Whose columns the rows have.")
    dataset: str | None = Field(
        default=None,
        pattern=r"^[\w.-]+/[\w.-]+$",
        description="Id of a data set of the hub (ORG/NAME); needs `revision` and `split`.",
    )
    revision: str | None = Field(
        default=None, description="Commit of the hub's data set; a tag or branch may move."
    )
    subsets: list[str] = Field(
        default=[], description="Configurations of the hub's data set, one after the other."
    )
    split: str | None = Field(default=None, description="Split of the hub's data set.")
    url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Address of a file on the web, of the same formats as `path`.",
    )
    sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Digest that the file at `url` or `path` must have; null: whatever is found "
        "there.",
    )
    path: str | None = Field(
        default=None,
        description="Local file: JSON Lines (.jsonl, .jsonl.gz), one JSON list (.json), or Parquet "
        "(.parquet).",
    )
    level: Name | None = Field(
        default=None, description="Level of these prompts; null: the name of the adapter."
    )
    size: PositiveInt | None = Field(
        default=None, description="Rows that are drawn at random, without repetition; null: all."
    )
    skip: NonNegativeInt = Field(
        default=0,
        description="Rows that are passed over before: validation prompts that follow `size` "
        "training prompts of the same seed share no row with them.",
    )
    seed: int = Field(default=0, description="Seed of the draw.")
    bad_references: NonNegativeInt = Field(
        default=0,
        description="So many of the rows may be left out because their reference cannot be read; "
        "with more the stage fails and names them.",
    )
    longest_prompt: PositiveInt | None = Field(
        default=None,
        description="Rows whose prompt, with the instruction, has more characters are passed over "
        "and counted in the stage's log; null: none. A token has some 4 characters of English and "
        "3 of code.",
    )
    instruction: str = Field(
        default="", description="Text that is put below each prompt, after an empty line."
    )

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> DatasetSource:
        given = [name for name in ("dataset", "url", "path") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of dataset, url, path (given: {', '.join(given) or 'none'})"
            )
        of_hub = "dataset" in given
        for key in ("revision", "split", "subsets"):
            if getattr(self, key) not in (None, []) and not of_hub:
                raise ValueError(f"{key} goes with dataset")
        if self.sha256 is not None and of_hub:
            raise ValueError("sha256 goes with url or path; the hub's data sets have a revision")
        if of_hub and None in (self.revision, self.split):
            raise ValueError("dataset needs revision and split")
        return self

    @property
    def level_name(self) -> str:
        """The level of the prompts."""
        return self.level or self.adapter

    @property
    def place(self) -> str:
        """Where the rows come from, for errors and logs."""
        if self.dataset is None:
            return self.url or self.path
        subsets = f" ({', '.join(self.subsets)})" if self.subsets else ""
        return f"{self.dataset}@{self.revision}, {self.split}{subsets}"
