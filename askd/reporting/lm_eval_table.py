"""The table of what lm-eval itself measured: pass@1 of each system with an interval, beside that of
our runner where it has answered the same benchmark, and how long lm-eval took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from askd.artifacts import ITEMS, read_table, write_text
from askd.config import Strict
from askd.errors import AskdError
from askd.evaluation.stats import interval
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid
from askd.reporting.times import measured


class LmEvalTableSettings(Strict):
    """What the table reads of the configuration."""

    pairs: list[str] = Field(description="Pairs.")
    systems: dict[str, list[int]] = Field(description="Seeds of each system.")
    tasks: list[str] = Field(description="What lm-eval ran.")
    benchmarks: list[str] = Field(
        default=[], description="Which of the tasks are benchmarks that our runner answers too."
    )
    results: str = Field(description="Folder of the scale's results.")


class Score(NamedTuple):
    """Pass@1 in percent, with its 95 % interval; `ours` is that of our runner's greedy answers, and
    `equal` whether the two agree, None where it has not answered or lm-eval had fewer items."""

    pair: str
    system: str
    task: str
    seeds: int
    items: int
    mean: float
    ci_low: float
    ci_high: float
    ours: float | None
    equal: bool | None


def write(settings: LmEvalTableSettings, benchmarks: Path, output: Path) -> None:
    """Write OUTPUT.csv and OUTPUT.md; `benchmarks` is the folder of lm-eval's benchmark files.

    Raises:
        AskdError: the seeds of a system were asked different items.
    """
    scores = list(_scores(settings))
    write_text(output.with_suffix(".csv"), csv_text(Score._fields, scores))
    headings = ("pair", "system", "task", "seeds", "items", "pass@1 [95 %]", "ours", "equal")
    markdown = grid(headings, [_cells(score) for score in scores])
    title = "# Scores by lm-eval\n\nlm-eval itself prompted, sampled greedily and graded."
    write_text(output.with_suffix(".md"), f"{title}\n\n{markdown}\n\n{_took(benchmarks)}\n")


def _cells(score: Score) -> list[str]:
    ours = "" if score.ours is None else f"{score.ours:.1f}"
    equal = "" if score.equal is None else "yes" if score.equal else "no"
    mean = f"{score.mean:.1f} [{score.ci_low:.1f}, {score.ci_high:.1f}]"
    return [*map(str, score[:5]), mean, ours, equal]


def _took(benchmarks: Path) -> str:
    """What the jobs of lm-eval took, in a sentence."""
    stages = [stage for stage in measured(benchmarks.parent) if stage.name == benchmarks.name]
    return "".join(
        f"{stage.jobs} jobs of lm-eval took {stage.seconds:.0f} seconds in all, with start-up and "
        "loading."
        for stage in stages
    )


def _scores(settings: LmEvalTableSettings) -> Iterator[Score]:
    for pair in settings.pairs:
        for task in settings.tasks:
            for system, seeds in settings.systems.items():
                folders = [
                    Path(settings.results) / f"{pair}/{system}/seed{seed}/eval" for seed in seeds
                ]
                theirs = _rewards([folder / f"lm_eval/{task}" for folder in folders])
                mean = interval(theirs)
                ours = None
                if task in settings.benchmarks:
                    own = _rewards([folder / task for folder in folders])
                    # A `limit` of lm-eval leaves nothing to compare with.
                    ours = 100 * own.mean() if own.shape == theirs.shape else None
                yield Score(
                    *(pair, system, task, *theirs.shape),
                    *(100 * value for value in mean),
                    ours,
                    None if ours is None else bool(np.isclose(ours, 100 * theirs.mean())),
                )


def _rewards(folders: Sequence[Path]) -> np.ndarray:
    """Rewards of the greedy answers [seeds, items]; raises as `write`."""
    paths = [folder / "items.parquet" for folder in folders]
    outcomes = [
        {
            row["prompt_id"]: row["reward"]
            for row in read_table(path, ITEMS).to_pylist()
            if row["decoding"] == "greedy"
        }
        for path in paths
    ]
    for path, seen in zip(paths, outcomes, strict=True):
        if seen.keys() != outcomes[0].keys():
            raise AskdError(f"{path}: not the items of {paths[0]}; run lm-eval again.")
    return np.array([[seen[item] for item in sorted(seen)] for seen in outcomes])
