"""The tune stage: learning rates by the accuracy on validation prompts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pydantic import Field

from askd.artifacts import ITEMS, read_table, write_text
from askd.config import Strict, Sweep


class TuneSettings(Strict):
    """What the choice reads of the configuration."""

    sweep: Sweep = Field(description="Grid, seeds and benchmarks.")
    results: str = Field(description="Folder of the scale's results.")


def tune(settings: TuneSettings, tries: Path, tuned: Path) -> None:
    """Write the table of all tries, and the best learning rate of each pair and method as YAML.

    The best is the one with the highest accuracy of sampled answers, averaged over benchmarks and
    seeds; of equals the smallest.
    """
    sweep, results = settings.sweep, Path(settings.results)
    rows = [
        {
            "pair": pair,
            "method": method,
            "learning_rate": rate,
            **{
                decoding: _accuracy(sweep, results / pair / variant, decoding)
                for decoding in ("greedy", "sampled")
            },
        }
        for pair in sweep.pairs
        for method in sweep.methods
        for rate, variant in sorted(sweep.variants(method).items())
    ]
    table = pd.DataFrame(rows)
    best = table.loc[table.groupby(["pair", "method"], sort=False)["sampled"].idxmax()]
    table["chosen"] = table.index.isin(best.index)
    lines = ["# Written by `snakemake sweep`: learning rates with the best validation accuracy."]
    lines.append("tuned:")
    for pair in sweep.pairs:
        lines.append(f"  {pair}:")
        of_pair = best[best["pair"] == pair]
        lines += [f"    {row.method}: {row.learning_rate:g}" for row in of_pair.itertuples()]
    write_text(tries, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_text(tuned, "\n".join(lines) + "\n")


def _accuracy(sweep: Sweep, run: Path, decoding: str) -> float:
    """Percentage of right answers, each benchmark and seed weighing the same."""
    values = []
    for seed in sweep.seeds:
        for benchmark in sweep.benchmarks:
            path = run / f"seed{seed}" / "eval" / benchmark / "items.parquet"
            items = read_table(path, ITEMS).to_pandas()
            values.append(100 * items.loc[items["decoding"] == decoding, "correct"].mean())
    return float(sum(values) / len(values))
