"""The tune stage: learning rates and main hyper-parameters by the rewards on validation prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import yaml
from pydantic import Field

from askd.artifacts import ITEMS, read_table, write_text
from askd.config import Strict, Try


class PairTries(Strict):
    """What is tried on a pair."""

    benchmarks: list[str] = Field(description="Benchmarks of validation prompts.")
    tries: dict[str, dict[str, Try]] = Field(description="Tries by method and variant.")


class TuneSettings(Strict):
    """What the choice reads of the configuration."""

    pairs: dict[str, PairTries] = Field(description="Tries by pair.")
    seeds: list[int] = Field(description="Seeds of the tries.")
    results: str = Field(description="Folder of the scale's results.")


def tune(settings: TuneSettings, tries: Path, tuned: Path) -> None:
    """Write the table of all tries, and the best of each pair and method as YAML.

    The best is the one with the highest mean reward of sampled answers, averaged over benchmarks
    and seeds; of equals the first: the method as it is, with the smallest learning rate.
    """
    rows = []
    chosen: dict[str, dict[str, dict]] = {}
    for pair, of_pair in settings.pairs.items():
        chosen[pair] = {}
        for method, variants in of_pair.tries.items():
            best = max(
                own := [
                    _row(settings, pair, method, name, variant, of_pair.benchmarks)
                    for name, variant in variants.items()
                ],
                key=lambda row: row["sampled"],
            )
            best["chosen"] = True
            rows += own
            picked = Try(learning_rate=best["learning_rate"], options=json.loads(best["options"]))
            chosen[pair][method] = picked.model_dump(exclude_defaults=True)
    table = pd.DataFrame(rows)
    header = "# Written by `snakemake sweep`: the settings with the best validation rewards.\n"
    text = yaml.safe_dump({"tuned": chosen}, sort_keys=False, default_flow_style=None)
    write_text(tries, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_text(tuned, header + text)


def _row(
    settings: TuneSettings, pair: str, method: str, name: str, variant: Try, benchmarks: list[str]
) -> dict:
    run = Path(settings.results) / pair / name
    return {
        "pair": pair,
        "method": method,
        "learning_rate": variant.learning_rate,
        "options": json.dumps(variant.options),
        **{
            decoding: _reward(settings.seeds, benchmarks, run, decoding)
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
