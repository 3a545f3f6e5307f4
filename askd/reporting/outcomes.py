"""Benchmark outcomes of all systems of a table, as matrices over training seeds and items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from askd.artifacts import ITEMS, read_table
from askd.config import Table
from askd.errors import AskdError

METRICS = ("greedy", "sampled")
UNTRAINED = ("teacher", "student")
"""Systems that are not trained here: they have one evaluation, under seed0."""


@dataclass(frozen=True)
class Outcomes:
    """All that a table is computed from.

    `matrices` holds, by (pair, system, benchmark, metric), the mean reward of the answers [S, I],
    such as the share of correct ones or a win rate;
    columns are the items in the order of their prompt_id, the same for all systems of a pair.
    """

    matrices: dict[tuple[str, str, str, str], np.ndarray]
    samples: int

    def of(
        self, pairs: Sequence[str], system: str, benchmarks: Sequence[str], metric: str
    ) -> list[np.ndarray]:
        """The matrices of `system` on each of `benchmarks`, for each of `pairs`."""
        return [
            self.matrices[pair, system, benchmark, metric]
            for pair in pairs
            for benchmark in benchmarks
        ]


def load(table: Table, seeds: int, results: Path) -> Outcomes:
    """Read PAIR/SYSTEM/seedS/eval/BENCHMARK/items.parquet below `results`, for all of `table`.

    Raises:
        AskdError: an evaluation is missing, an item has not exactly one greedy answer or not as
            many samples as all others, or the systems of a pair have different items.
    """
    matrices = {}
    first_path = None
    samples = 0
    for pair in table.pairs:
        for benchmark in table.benchmarks:
            reference: tuple[Path, list[str]] | None = None
            for system in table.systems:
                rows: dict[str, list[np.ndarray]] = {metric: [] for metric in METRICS}
                for seed in range(1 if system in UNTRAINED else seeds):
                    run = results / pair / system / f"seed{seed}"
                    path = run / "eval" / benchmark / "items.parquet"
                    if not path.is_file():
                        raise AskdError(
                            f"{path}: no such file; run the evaluation of {system} for the pair "
                            f"{pair}, seed {seed}, on {benchmark}."
                        )
                    prompt_ids, values, run_samples = _read_items(path)
                    first_path, samples = first_path or path, samples or run_samples
                    if run_samples != samples:
                        raise AskdError(
                            f"{path}: {run_samples} samples for each item, but {first_path} has "
                            f"{samples}; evaluate all systems with the same number."
                        )
                    reference = reference or (path, prompt_ids)
                    _check_same_items(path, prompt_ids, *reference)
                    for metric in METRICS:
                        rows[metric].append(values[metric])
                for metric in METRICS:
                    matrices[pair, system, benchmark, metric] = np.stack(rows[metric])
    return Outcomes(matrices, samples)


def _read_items(path: Path) -> tuple[list[str], dict[str, np.ndarray], int]:
    """Sorted prompt ids, the value of each item by metric, and the number of samples."""
    table = read_table(path, ITEMS)
    prompt_ids, item = np.unique(
        np.array(table.column("prompt_id").to_pylist()), return_inverse=True
    )
    if len(prompt_ids) < 2:
        raise AskdError(f"{path}: one item only; an interval needs at least two.")
    decoding = np.array(table.column("decoding").to_pylist())
    reward = table.column("reward").to_numpy()
    if not ((reward >= 0) & (reward <= 1)).all():
        raise AskdError(
            f"{path}: a reward is outside 0 to 1; the grader of a benchmark gives shares, such as "
            "right or wrong, or a win rate."
        )
    counts, values = {}, {}
    for metric in METRICS:
        chosen = decoding == metric
        counts[metric] = np.bincount(item[chosen], minlength=len(prompt_ids))
        sums = np.bincount(item[chosen], weights=reward[chosen], minlength=len(prompt_ids))
        values[metric] = sums / np.maximum(counts[metric], 1)
    samples = int(counts["sampled"].max())
    for metric, expected in (("greedy", 1), ("sampled", max(samples, 1))):
        wrong = np.flatnonzero(counts[metric] != expected)
        if wrong.size:
            raise AskdError(
                f"{path}: item {str(prompt_ids[wrong[0]])!r} has {counts[metric][wrong[0]]} "
                f"{metric} answers, expected {expected}; run the evaluation again."
            )
    return prompt_ids.tolist(), values, samples


def _check_same_items(
    path: Path, prompt_ids: list[str], first_path: Path, first_ids: list[str]
) -> None:
    different = set(prompt_ids) ^ set(first_ids)
    if different:
        example = min(different)
        inside, outside = (path, first_path) if example in prompt_ids else (first_path, path)
        raise AskdError(
            f"{outside}: no item {example!r}, which {inside} has; systems of a pair are compared "
            "on the same items, so evaluate both on the same benchmark."
        )
