"""The table stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from askd.config import Benchmark, Method, Pair, Strict, Table
from askd.reporting.table import build


class TableSettings(Strict):
    """What a table reads of the configuration."""

    name: str = Field(description="Name of the table.")
    table: Table = Field(description="Its rows and columns.")
    measure: str = Field(description="What is counted: pass@1, win rate or mean reward.")
    pairs: dict[str, Pair] = Field(description="Its pairs.")
    benchmarks: dict[str, Benchmark] = Field(description="Its benchmarks.")
    methods: dict[str, Method] = Field(description="Its methods.")
    chosen: dict[str, dict[str, dict[str, Any]]] = Field(
        description="Options of its rows that are not the method's own, by pair and method."
    )
    misled: list[str] = Field(
        description="Its pairs whose worked answers lack the systematic errors of the teacher."
    )
    seeds: int = Field(description="Number of seeds of each method.")
    results: str = Field(description="Folder of the scale's results.")


def write(
    settings: TableSettings, output: Path, paper: Path | None = None, audit: Path | None = None
) -> None:
    """Write the table below `output`; `paper` is where its CSV file of the paper's numbers lies, if
    the paper has the table, and `audit` that of the sandbox's audit, where answers are programs."""
    build(
        settings.name,
        settings.table.model_copy(update={"paper": paper and str(paper)}),
        settings.measure,
        settings.pairs,
        settings.benchmarks,
        settings.methods,
        settings.seeds,
        Path(settings.results),
        output,
        audit,
        settings.chosen,
        settings.misled,
    )
