"""The table of what EvalPlus and we say of the same programs: pass@1 with intervals, programs that
cannot be read or took too long, and how long the jobs took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
from pydantic import Field

from askd.artifacts import PROGRAM_ITEMS, read_table, write_text
from askd.config import EvalPlusName, Strict
from askd.errors import AskdError
from askd.evaluation.stats import interval
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid
from askd.reporting.times import took
from askd.rewards.result import TIMED_OUT, UNREAD


class EvalPlusTableSettings(Strict):
    """What the table reads of the configuration."""

    pairs: list[str] = Field(description="Pairs.")
    systems: dict[str, list[int]] = Field(description="Seeds of each system.")
    benchmarks: list[EvalPlusName] = Field(description="Benchmarks.")
    results: str = Field(description="Folder of the scale's results.")


class Score(NamedTuple):
    """Pass@1 of greedy answers in percent, with its 95 % interval, by us and by EvalPlus.

    `differing` counts the items that the two judge differently for some seed; `unread` and
    `too_slow` are shares of the answers, in percent, by our sandbox on all tests.
    """

    pair: str
    system: str
    benchmark: str
    tests: str
    seeds: int
    items: int
    ours: float
    ours_ci_low: float
    ours_ci_high: float
    evalplus: float
    evalplus_ci_low: float
    evalplus_ci_high: float
    differing: int
    unread: float
    too_slow: float


HEADINGS = ("pair", "system", "benchmark", "tests", "seeds", "items")


def write(settings: EvalPlusTableSettings, benchmarks: Path, output: Path) -> None:
    """Write OUTPUT.csv and OUTPUT.md; `benchmarks` is the folder of evalplus's benchmark files.

    Raises:
        AskdError: the seeds of a system were asked different items.
    """
    scores = list(_scores(settings))
    write_text(output.with_suffix(".csv"), csv_text(Score._fields, scores))
    rows = [
        [
            *map(str, one[:6]),
            f"{one.ours:.1f} [{one.ours_ci_low:.1f}, {one.ours_ci_high:.1f}]",
            f"{one.evalplus:.1f} [{one.evalplus_ci_low:.1f}, {one.evalplus_ci_high:.1f}]",
            str(one.differing),
            f"{one.unread:.1f}",
            f"{one.too_slow:.1f}",
        ]
        for one in scores
    ]
    scores_ = ("pass@1, ours [95 %]", "pass@1, evalplus [95 %]")
    columns = (*HEADINGS, *scores_, "differing items", "unread", "too slow")
    title = (
        "# Scores beside EvalPlus\n\nIn %. Greedy answers of our rollout engine, judged in our "
        "sandbox and by EvalPlus: on the base\ntests, and on the base and extra ones (plus)."
    )
    took_ = took(benchmarks, "evalplus")
    write_text(output.with_suffix(".md"), f"{title}\n\n{grid(columns, rows)}\n\n{took_}\n")


def _scores(settings: EvalPlusTableSettings) -> Iterator[Score]:
    for pair in settings.pairs:
        for benchmark in settings.benchmarks:
            for system, seeds in settings.systems.items():
                paths = [
                    Path(settings.results)
                    / f"{pair}/{system}/seed{seed}/eval/evalplus/{benchmark}/items.parquet"
                    for seed in seeds
                ]
                answers = _greedy(paths)
                reasons = [row["reason"] for own in answers for row in own]
                for tests in ("base",) if benchmark == "humaneval" else ("base", "plus"):
                    ours, theirs = (
                        np.array([[float(row[column]) for row in own] for own in answers])
                        for column in (tests, f"evalplus_{tests}")
                    )
                    yield Score(
                        *(pair, system, benchmark, tests, *ours.shape),
                        *(100 * value for side in (ours, theirs) for value in interval(side)),
                        int((ours != theirs).any(axis=0).sum()),
                        100 * fmean(reason in UNREAD for reason in reasons),
                        100 * fmean(reason == TIMED_OUT for reason in reasons),
                    )


def _greedy(paths: list[Path]) -> list[list[dict]]:
    """The greedy answers of each table, in the same order of items."""
    tables = []
    for path in paths:
        rows = read_table(path, PROGRAM_ITEMS).to_pylist()
        greedy = {row["prompt_id"]: row for row in rows if row["decoding"] == "greedy"}
        if tables and greedy.keys() != tables[0].keys():
            raise AskdError(f"{path}: not the items of {paths[0]}; run evalplus again.")
        tables.append(greedy)
    return [[own[item] for item in tables[0]] for own in tables]
