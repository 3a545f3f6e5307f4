"""What a table consists of: its numbers, its paired tests, and its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One number of the table; mean, limits and the paper's number are percentages."""

    pair: str
    method: str
    benchmark: str
    metric: str
    mean: float
    ci_low: float
    ci_high: float
    n_items: int
    n_seeds: int
    paper: float | None


@dataclass(frozen=True)
class Comparison:
    """A paired test of `method` against another system; differences are percentage points."""

    pair: str
    metric: str
    benchmark: str
    method: str
    against: str
    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    p_holm: float
    verdict: str
    n_items: int
    n_seeds: int


@dataclass(frozen=True)
class TableContent:
    """A table, apart from its format.

    `metric_titles` are the headings of the metrics.
    `pairs`, `columns` (benchmarks, then the average) and `systems` are labels by name, in the order
    of the table; `cells` are by (pair, system, column, metric); the notes are plain sentences.
    """

    name: str
    title: str
    metric_titles: Mapping[str, str]
    pairs: Mapping[str, str]
    columns: Mapping[str, str]
    systems: Mapping[str, str]
    cells: Mapping[tuple[str, str, str, str], Cell]
    comparisons: Sequence[Comparison]
    notes: Sequence[str]
    comparison_notes: Sequence[str]
