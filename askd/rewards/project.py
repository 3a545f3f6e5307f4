"""The project stage: rewards to advantages, skewness and the clip. Light: imports no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from askd import skewness
from askd.artifacts import SKEWNESS
from askd.config import Advantage
from askd.errors import AskdError


def project(
    rewards: pa.Table,
    advantage: Advantage,
    beta: float,
    pooled_with: pa.Table | None = None,
    where: Path | str = "rewards",
) -> pa.Table:
    """The skewness table of `rewards`, which errors call `where`.

    The advantages are taken over the samples of each prompt or over the whole table; with
    `pooled_with` (the other side's rewards) the moments are those of both tables together.

    Raises:
        AskdError: a reward is not finite, or beta is not positive.
    """
    tables = [rewards] if pooled_with is None else [rewards, pooled_with]
    pooled = pa.concat_tables(tables)
    values = pooled.column("reward").to_numpy()
    try:
        if advantage.normalization == "group":
            groups = np.asarray(pooled.column("prompt_id").to_pylist())
            advantages = skewness.group_advantages(values, groups, advantage.epsilon)
        else:
            advantages = skewness.batch_advantages(values, advantage.epsilon)
        advantages = advantages[: rewards.num_rows]
        alpha = skewness.project(advantages, beta)
    except ValueError as error:
        raise AskdError(f"{where}: {error}.") from error
    correct = rewards.column("correct").to_numpy(zero_copy_only=False)
    return pa.table(
        {
            "prompt_id": rewards.column("prompt_id"),
            "sample_id": rewards.column("sample_id"),
            "advantage": advantages,
            "alpha": alpha,
            "kappa": skewness.clip_correct(correct).astype(float),
        },
        schema=SKEWNESS,
    )
