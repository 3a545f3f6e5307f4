"""What an optimizer step trains on: sequences with the numbers that their objective reads."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from askd.artifacts import TRAINED_ON, align, keys, table_from_rows
from askd.errors import AskdError


@dataclass(frozen=True)
class Row:
    """A response of one side (`reference`, `tgo` or `sgo`) to a prompt.

    `alpha` is the weight of the student in the mixture, `kappa` that of the row's divergence, and
    `outcome` that of its log-likelihood beside the divergence; `reason` is why it has its reward.
    Log-probabilities (nats) are one per response token, or none where no objective reads them:
    of the teacher, of the distribution that the token was drawn from, and of the student that drew
    it together with the teacher. A student that drew alone is the sampler.
    """

    side: str
    prompt_id: str
    sample_id: int
    prompt: list[int]
    response: list[int]
    text: str
    alpha: float = 1.0
    kappa: float = 1.0
    outcome: float = 0.0
    reward: float = math.nan
    advantage: float = math.nan
    reason: str = ""
    teacher_logprobs: Sequence[float] = ()
    sampler_logprobs: Sequence[float] = ()
    student_logprobs: Sequence[float] = ()

    @property
    def counts(self) -> bool:
        """Whether the row adds to the loss; one that does not needs no forward pass."""
        return self.kappa != 0 or self.outcome != 0

    @property
    def old_logprobs(self) -> Sequence[float]:
        """Log-probabilities of the student that the response was sampled from."""
        return self.student_logprobs or self.sampler_logprobs


class StepSource(Protocol):
    """Gives the rows of each optimizer step."""

    steps: int
    rows_per_step: int

    def rows(self, step: int) -> list[Row]:
        """The rows of `step`; steps are asked for in order, each when it is about to be taken."""


def trained_on(steps: Sequence[tuple[int, Row]]) -> pa.Table:
    """The trained_on table of rows and the steps that they were part of."""
    return table_from_rows([{"step": step, **vars(row)} for step, row in steps], TRAINED_ON)


class Outputs:
    """The rollouts of one side with what later stages said of them, by prompt.

    Args:
        rollouts: the rollouts table.
        others: tables that are joined exactly on (prompt_id, sample_id): scores, rewards, skewness.
        where: names the tables in errors.
    """

    def __init__(self, rollouts: pa.Table, others: Sequence[pa.Table], where: Path | str) -> None:
        self.where = where
        wanted = keys(rollouts)
        rows = rollouts.to_pylist()
        for table in others:
            for row, extra in zip(rows, align(table, wanted, where).to_pylist(), strict=True):
                row.update(extra)
        for row in rows:
            for name in ("sampler_logprobs", "student_logprobs", "teacher_logprobs"):
                if name in row and len(row[name]) != len(row["token_ids"]):
                    raise AskdError(
                        f"{where}: {name} of prompt {row['prompt_id']!r}, sample "
                        f"{row['sample_id']}, are {len(row[name])} for "
                        f"{len(row['token_ids'])} tokens; they were made from other rollouts, run "
                        "their stage again."
                    )
        self._by_prompt: dict[str, list[dict]] = defaultdict(list)
        for row in rows:
            self._by_prompt[row["prompt_id"]].append(row)

    def of(self, prompt_ids: Sequence[str]) -> list[dict]:
        """The joined rows of `prompt_ids`.

        Raises:
            AskdError: there are no outputs for a prompt.
        """
        for prompt_id in prompt_ids:
            if prompt_id not in self._by_prompt:
                raise AskdError(
                    f"{self.where}: no outputs for prompt {prompt_id!r}; they were sampled for "
                    "another schedule, run their stage again."
                )
        return [row for prompt_id in prompt_ids for row in self._by_prompt[prompt_id]]
