"""What stages that read all tables of a run are told of the configuration."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from askd.config import Strict, Table


class TablesSettings(Strict):
    """The tables of a run, and what they call what they show."""

    tables: dict[str, Table] = Field(description="The tables of this run.")
    pairs: dict[str, str] = Field(description="Labels of the pairs.")
    benchmarks: dict[str, str] = Field(description="Labels of the benchmarks.")
    seeds: PositiveInt = Field(description="Number of seeds of each method.")
    results: str = Field(description="Folder of the scale's results.")
