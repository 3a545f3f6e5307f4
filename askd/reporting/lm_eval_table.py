"""The table of what lm-eval itself measured: pass@1 of each system with an interval."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from askd.artifacts import ITEMS, read_table, write_text
from askd.config import Strict
from askd.errors import AskdError
from askd.evaluation.stats import interval
from askd.reporting.markdown import grid


class LmEvalTableSettings(Strict):
    """What the table reads of the configuration."""

    pairs: list[str] = Field(description="Pairs.")
    systems: dict[str, list[int]] = Field(description="Seeds of each system.")
    tasks: list[str] = Field(description="What lm-eval ran.")
    results: str = Field(description="Folder of the scale's results.")


class Score(NamedTuple):
    """Pass@1 in percent, with its 95 % interval."""

    pair: str
    system: str
    task: str
    seeds: int
    items: int
    mean: float
    ci_low: float
    ci_high: float


def write(settings: LmEvalTableSettings, output: Path) -> None:
    """Write OUTPUT.csv and OUTPUT.md.

    Raises:
        AskdError: the seeds of a system were asked different items.
    """
    scores = list(_scores(settings))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Score._fields)
    writer.writerows(scores)
    write_text(output.with_suffix(".csv"), text.getvalue())
    rows = [
        [*map(str, one[:5]), f"{one.mean:.1f} [{one.ci_low:.1f}, {one.ci_high:.1f}]"]
        for one in scores
    ]
    markdown = grid(("pair", "system", "task", "seeds", "items", "pass@1 [95 %]"), rows)
    title = "# Scores by lm-eval\n\nlm-eval itself prompted, sampled greedily and graded."
    write_text(output.with_suffix(".md"), f"{title}\n\n{markdown}\n")


def _scores(settings: LmEvalTableSettings) -> Iterator[Score]:
    for pair in settings.pairs:
        for task in settings.tasks:
            for system, seeds in settings.systems.items():
                paths = [
                    Path(settings.results)
                    / f"{pair}/{system}/seed{seed}/eval/lm_eval/{task}/items.parquet"
                    for seed in seeds
                ]
                outcomes = [
                    dict(
                        zip(
                            table.column("prompt_id").to_pylist(),
                            table.column("reward").to_pylist(),
                            strict=True,
                        )
                    )
                    for table in (read_table(path, ITEMS) for path in paths)
                ]
                items = sorted(outcomes[0])
                for path, seen in zip(paths, outcomes, strict=True):
                    if seen.keys() != outcomes[0].keys():
                        raise AskdError(f"{path}: not the items of {paths[0]}; run lm-eval again.")
                matrix = np.array([[seen[item] for item in items] for seen in outcomes])
                yield Score(
                    *(pair, system, task, len(seeds), len(items)),
                    *(100 * value for value in interval(matrix)),
                )
