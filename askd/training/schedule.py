"""Which prompts each optimizer step trains on: the same for every method of a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from askd.artifacts import SCHEDULE, table_from_rows
from askd.errors import AskdError


def schedule(
    prompt_ids: Sequence[str], seed: int, rounds: int, steps_per_round: int, prompts_per_step: int
) -> pa.Table:
    """The schedule table: prompts are shuffled, dealt out to the steps, and shuffled anew when all
    were used.

    Raises:
        AskdError: there are fewer prompts than one step takes.
    """
    if len(prompt_ids) < prompts_per_step:
        raise AskdError(
            f"training.prompts_per_step is {prompts_per_step}, but the task has only "
            f"{len(prompt_ids)} training prompts."
        )
    random = np.random.default_rng(seed)
    deck: list[str] = []
    rows = []
    for round_ in range(rounds):
        for step in range(steps_per_round):
            if len(deck) < prompts_per_step:
                # A rest that is too short for a step is dropped, or a prompt could come up twice.
                deck = [prompt_ids[number] for number in random.permutation(len(prompt_ids))]
            dealt, deck = deck[:prompts_per_step], deck[prompts_per_step:]
            rows += [{"round": round_, "step": step, "prompt_id": dealt_id} for dealt_id in dealt]
    return table_from_rows(rows, SCHEDULE)


def prompts_of_steps(table: pa.Table, round_: int, first: int, last: int) -> list[str]:
    """Distinct prompts of the steps `first` to `last` (exclusive) of a round, in their order."""
    return list(
        dict.fromkeys(
            row["prompt_id"]
            for row in table.to_pylist()
            if row["round"] == round_ and first <= row["step"] < last
        )
    )
