"""The tune stage: learning rates and main hyper-parameters by the rewards on validation prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import yaml
from pydantic import Field

from askd.artifacts import ITEMS, read_table, write_text
from askd.config import Strict, Try


class TuneSettings(Strict):
    """What the choice reads of the configuration."""

    pair: str = Field(description="Name of the pair.")
    benchmarks: list[str] = Field(description="Benchmarks of validation prompts.")
    tries: dict[str, dict[str, Try]] = Field(description="Tries by method and variant.")
    seeds: list[int] = Field(description="Seeds of the tries.")
    results: str = Field(description="Folder of the scale's results.")


def tune(settings: TuneSettings, tries: Path, tuned: Path) -> None:
    """Write the table of a pair's tries, and the best of each method as YAML.

    The best is the one with the highest mean reward of sampled answers, averaged over benchmarks
    and seeds; of equals the first: the method as it is, with the smallest learning rate.
    """
    rows = []
    chosen: dict[str, dict] = {}
    for method, variants in settings.tries.items():
        own = [_row(settings, method, name, variant) for name, variant in variants.items()]
        best = max(own, key=lambda row: row["sampled"])
        best["chosen"] = True
        rows += own
        picked = Try(learning_rate=best["learning_rate"], options=json.loads(best["options"]))
        chosen[method] = picked.model_dump(exclude_defaults=True)
    table = pd.DataFrame(rows)
    header = "# Written by `snakemake sweep`: the settings with the best validation rewards.\n"
    content = {"tuned": {settings.pair: chosen}}
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
    write_text(tries, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_text(tuned, header + text)


def _row(settings: TuneSettings, method: str, name: str, variant: Try) -> dict:
    run = Path(settings.results) / settings.pair / name
    return {
        "pair": settings.pair,
        "method": method,
        "learning_rate": variant.learning_rate,
        "options": json.dumps(variant.options),
        **{
            decoding: _reward(settings.seeds, settings.benchmarks, run, decoding)
            for decoding in ("greedy", "sampled")
        },
        "chosen": False,
    }


def _reward(seeds: list[int], benchmarks: list[str], run: Path, decoding: str) -> float:
    """Mean reward in percent, each benchmark and seed weighing the same."""
    values = []
    for seed in seeds:
        for benchmark in benchmarks:
            path = run / f"seed{seed}" / "eval" / benchmark / "items.parquet"
            items = read_table(path, ITEMS).to_pandas()
            values.append(100 * items.loc[items["decoding"] == decoding, "reward"].mean())
    return float(sum(values) / len(values))
