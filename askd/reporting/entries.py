"""The rows of a table's CSV files: one number of the table, and one paired test."""

from __future__ import annotations

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
