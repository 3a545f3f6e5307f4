"""The power stage: which differences the tables of a run can resolve. Light: imports no torch."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from askd.artifacts import write_text
from askd.evaluation.power import items_needed, seeds_needed
from askd.evaluation.stats import average_paired_difference
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid
from askd.reporting.outcomes import METRICS, UNTRAINED, load
from askd.reporting.paper_numbers import AVERAGE
from askd.reporting.tables_settings import TablesSettings

DIFFERENCE = 3.0
"""Percentage points that a table should tell from chance."""

HEADINGS = (
    "Pair",
    "Answers",
    "Benchmark",
    "Items",
    "Comparisons",
    "Half-width, median",
    "Half-width, largest",
    f"Resolve {DIFFERENCE:g} points",
    "Seeds needed",
    "Items needed",
)
READING = (
    "Comparisons are those of one method with each other trained method of the table, paired by "
    "item and seed. Half-width: of the 95 % interval of their difference, in percentage points. A "
    "difference that is measured as larger than it is resolved at 95 %.",
    f"Resolve {DIFFERENCE:g} points: comparisons whose half-width is at most {DIFFERENCE:g}.",
    f"Seeds and items needed: those at which a difference of {DIFFERENCE:g} points is found with "
    "power 80 % (two-sided 5 %), for the comparison with the largest half-width: seeds on the "
    "items at hand, or items of each benchmark with the seeds at hand. `more items` and `more "
    "seeds` mean that the other number alone does not suffice. The spreads that these rest on "
    "are known from few seeds: take them as orders of magnitude.",
)


@dataclass(frozen=True)
class Row:
    """What one column of a table resolves; half-widths are in percentage points."""

    table: str
    pair: str
    metric: str
    benchmark: str
    items: int
    seeds: int
    comparisons: int
    half_width_median: float
    half_width_largest: float
    resolved: int
    seeds_needed: str
    items_needed: str


def power(settings: TablesSettings, output: Path) -> None:
    """Write OUTPUT.{csv,md}: for each table, pair, metric and column, what it resolves.

    Raises:
        AskdError: outcomes are missing or do not fit together (`askd.reporting.outcomes.load`).
    """
    rows = list(_rows(settings))
    columns = [field.name for field in fields(Row)]
    lines = (
        [f"{value:.2f}" if isinstance(value, float) else value for value in astuple(row)]
        for row in rows
    )
    write_text(output.with_suffix(".csv"), csv_text(columns, lines))
    write_text(output.with_suffix(".md"), _markdown(settings, rows))


def cells(row: Row, pair: str, benchmark: str) -> tuple[str, ...]:
    """A row as HEADINGS have it, with the labels of its pair and benchmark."""
    return (
        pair,
        row.metric,
        benchmark,
        str(row.items),
        str(row.comparisons),
        f"{float(row.half_width_median):.1f}",
        f"{float(row.half_width_largest):.1f}",
        f"{row.resolved} of {row.comparisons}",
        row.seeds_needed,
        row.items_needed,
    )


def _rows(settings: TablesSettings) -> Iterator[Row]:
    for name, table in settings.tables.items():
        others = [
            system
            for system in table.systems
            if system not in UNTRAINED and system != table.compare
        ]
        if table.compare in UNTRAINED or not others:
            continue
        outcomes = load(table, settings.seeds, Path(settings.results))
        columns = {**{one: [one] for one in table.benchmarks}, AVERAGE: table.benchmarks}
        for pair in table.pairs:
            for metric in METRICS:
                for column, members in columns.items():
                    ours = outcomes.of([pair], table.compare, members, metric)
                    theirs = [outcomes.of([pair], other, members, metric) for other in others]
                    yield _row(name, pair, metric, column, ours, theirs)


def _row(
    table: str,
    pair: str,
    metric: str,
    column: str,
    ours: Sequence[np.ndarray],
    theirs: Sequence[Sequence[np.ndarray]],
) -> Row:
    tests = [average_paired_difference(ours, other) for other in theirs]
    halves = [50 * (test.ci_high - test.ci_low) for test in tests]
    hardest = [a - b for a, b in zip(ours, theirs[int(np.argmax(halves))], strict=True)]
    return Row(
        table,
        pair,
        metric,
        column,
        items=sum(block.shape[1] for block in ours),
        seeds=len(ours[0]),
        comparisons=len(tests),
        half_width_median=float(np.median(halves)),
        half_width_largest=max(halves),
        resolved=sum(half <= DIFFERENCE for half in halves),
        seeds_needed=seeds_needed(hardest, DIFFERENCE / 100),
        items_needed=items_needed(hardest, DIFFERENCE / 100),
    )


def _markdown(settings: TablesSettings, rows: Sequence[Row]) -> str:
    seeds = "1 seed" if settings.seeds == 1 else f"{settings.seeds} seeds"
    blocks = [f"# Which differences these tables resolve, with {seeds}"]
    for table in dict.fromkeys(row.table for row in rows):
        lines = [
            cells(row, settings.pairs[row.pair], settings.benchmarks.get(row.benchmark, "AVG."))
            for row in rows
            if row.table == table
        ]
        blocks += [f"## {table}: {settings.tables[table].title}", grid(HEADINGS, lines)]
    blocks += [
        "\n".join(
            textwrap.fill(
                note, 100, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
            )
            for note in READING
        )
    ]
    return "\n\n".join(blocks) + "\n"
