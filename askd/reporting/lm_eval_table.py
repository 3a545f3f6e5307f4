"""The table of what lm-eval itself measured: pass@1 of each system with an interval, beside that of
our runner where it has answered the same benchmark, answers that could not be read, and how long
lm-eval took."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
from pydantic import Field

from askd.artifacts import ITEMS, read_table, write_text
from askd.config import Strict
from askd.errors import AskdError
from askd.evaluation.stats import interval
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid
from askd.reporting.times import took


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
    """Pass@1 in percent, with its 95 % interval; `unread` is the share of answers that could not be
    read, None where nobody says what was read; `ours` is pass@1 of our runner's greedy answers, and
    `equal` whether the two agree, None where it has not answered or lm-eval had fewer items."""

    pair: str
    system: str
    task: str
    seeds: int
    items: int
    mean: float
    ci_low: float
    ci_high: float
    unread: float | None
    ours: float | None
    equal: bool | None


def write(settings: LmEvalTableSettings, benchmarks: Path, output: Path) -> None:
    """Write OUTPUT.csv and OUTPUT.md; `benchmarks` is the folder of lm-eval's benchmark files.

    Raises:
        AskdError: the seeds of a system were asked different items.
    """
    scores = list(_scores(settings))
    write_text(output.with_suffix(".csv"), csv_text(Score._fields, scores))
    headings = (
        "pair",
        "system",
        "task",
        "seeds",
        "items",
        "pass@1 [95 %]",
        "unread",
        "ours",
        "equal",
    )
    markdown = grid(headings, [_cells(score) for score in scores])
    title = (
        "# Scores by lm-eval\n\nIn %. lm-eval itself prompted, sampled greedily and graded; it "
        "does not count the\nanswers for which time ran out."
    )
    took_ = took(benchmarks, "lm-eval")
    write_text(output.with_suffix(".md"), f"{title}\n\n{markdown}\n\n{took_}\n")


def _cells(score: Score) -> list[str]:
    ours = "" if score.ours is None else f"{score.ours:.1f}"
    equal = "" if score.equal is None else "yes" if score.equal else "no"
    unread = "" if score.unread is None else f"{score.unread:.1f}"
    mean = f"{score.mean:.1f} [{score.ci_low:.1f}, {score.ci_high:.1f}]"
    return [*map(str, score[:5]), mean, unread, ours, equal]


def _scores(settings: LmEvalTableSettings) -> Iterator[Score]:
    for pair in settings.pairs:
        for task in settings.tasks:
            for system, seeds in settings.systems.items():
                folders = [
                    Path(settings.results) / f"{pair}/{system}/seed{seed}/eval" for seed in seeds
                ]
                by_lm_eval = [folder / f"lm_eval/{task}" for folder in folders]
                theirs = _rewards(by_lm_eval)
                mean = interval(theirs)
                ours = None
                if task in settings.benchmarks:
                    own = _rewards([folder / task for folder in folders])
                    # A `limit` of lm-eval leaves nothing to compare with.
                    ours = 100 * own.mean() if own.shape == theirs.shape else None
                yield Score(
                    *(pair, system, task, *theirs.shape),
                    *(100 * value for value in mean),
                    _unread(by_lm_eval),
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


def _unread(folders: Sequence[Path]) -> float | None:
    """The share of greedy answers that could not be read, in percent, a mean over `folders`."""
    summaries = [json.loads((folder / "summary.json").read_text("utf-8")) for folder in folders]
    shares = [summary["parse_failures"]["greedy"] for summary in summaries]
    return None if None in shares else 100 * fmean(shares)
