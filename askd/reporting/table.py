"""A table of the paper: accuracies with intervals, the paper's own numbers, and paired tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from askd.artifacts import write_text
from askd.config import Benchmark, Method, Pair, Table
from askd.evaluation.stats import average_interval, average_paired_difference, holm
from askd.reporting.captions import (
    SUPERVISION_MARKS,
    audit_note,
    comparison_notes,
    metric_titles,
    table_notes,
)
from askd.reporting.caveats import budget_note, teacher_notes
from askd.reporting.csv_text import csv_text
from askd.reporting.entries import Cell, Comparison, TableContent
from askd.reporting.outcomes import METRICS, UNTRAINED, Outcomes, load
from askd.reporting.paper_numbers import AVERAGE, read_paper_numbers
from askd.reporting.render import render

SIGNIFICANCE = 0.05


def build(
    name: str,
    table: Table,
    measure: str,
    pairs: dict[str, Pair],
    benchmarks: dict[str, Benchmark],
    methods: dict[str, Method],
    seeds: int,
    results: Path,
    output_directory: Path,
    audit: Path | None = None,
    chosen: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
    misled: Collection[str] = (),
) -> None:
    """Write the table `name` as NAME.{csv,md,tex,html} and its tests as NAME_tests.csv.

    The outcomes are PAIR/SYSTEM/seedS/eval/BENCHMARK/items.parquet below `results`: seeds 0 to
    `seeds` - 1 of methods, seed 0 of `teacher` and `student`. The metric `greedy` is the pass@1 of
    the greedy answer, as in the paper; `sampled` is the mean over an item's samples. `measure` says
    what is counted (`pass@1`, `win rate` or `mean reward`). `audit` is the CSV file of the
    sandbox's audit, where answers are programs. Notes name the options of `chosen` (by pair and
    method, those that are not the method's own) and the pairs `misled`, whose worked answers lack
    the systematic errors of the teacher. Equal inputs give equal bytes.

    Raises:
        AskdError: outcomes are missing or do not fit together (`askd.reporting.outcomes.load`), or
            the paper's numbers are malformed (`askd.reporting.paper_numbers`).
    """
    outcomes = load(table, seeds, results)
    paper = read_paper_numbers(Path(table.paper), pairs, benchmarks) if table.paper else {}
    cells = list(_cells(table, outcomes, paper))
    cell_of = {(cell.pair, cell.method, cell.benchmark, cell.metric): cell for cell in cells}
    trained = [methods[system] for system in table.systems if system not in UNTRAINED]
    comparisons = list(_comparisons(table, outcomes))
    systems = {system: _system_label(system, methods) for system in table.systems}
    content = TableContent(
        name=name,
        title=table.title,
        metric_titles=metric_titles(measure),
        pairs={
            group: pairs[group].label if group in pairs else "Mean of the pairs"
            for group in _groups(table)
        },
        columns={**{name: benchmarks[name].label for name in table.benchmarks}, AVERAGE: "AVG."},
        systems=systems,
        cells=cell_of,
        comparisons=comparisons,
        notes=table_notes(
            table,
            measure,
            pairs,
            benchmarks,
            methods,
            items={(cell.pair, cell.benchmark): cell.n_items for cell in cells},
            seeds=seeds,
            samples=outcomes.samples,
            paper_methods={method for _, method, _ in paper},
            chosen=chosen or {},
            misled=misled,
        )
        + teacher_notes(table.pairs, {name: pair.label for name, pair in pairs.items()}, cell_of)
        + ([budget_note(trained)] if trained else [])
        + ([] if audit is None else [audit_note(audit)]),
        comparison_notes=comparison_notes(name, systems[table.compare]),
    )
    texts = {".csv": _csv(Cell, cells), "_tests.csv": _csv(Comparison, comparisons)}
    texts |= render(content)
    for suffix, text in texts.items():
        write_text(output_directory / f"{name}{suffix}", text)


def _system_label(system: str, methods: dict[str, Method]) -> str:
    if system in UNTRAINED:
        return system
    return methods[system].label + SUPERVISION_MARKS.get(methods[system].supervision, "")


def _columns(table: Table) -> dict[str, list[str]]:
    """The benchmarks that each column is the unweighted mean of."""
    return {**{name: [name] for name in table.benchmarks}, AVERAGE: table.benchmarks}


def _groups(table: Table) -> dict[str, list[str]]:
    """The pairs that each column group is the unweighted mean of."""
    groups = {pair: [pair] for pair in table.pairs}
    return {**groups, AVERAGE: table.pairs} if table.average_pairs else groups


def _cells(
    table: Table, outcomes: Outcomes, paper: dict[tuple[str, str, str], float]
) -> Iterator[Cell]:
    for pair, group in _groups(table).items():
        for system in table.systems:
            for column, members in _columns(table).items():
                for metric in METRICS:
                    matrices = outcomes.of(group, system, members, metric)
                    estimate = average_interval(matrices)
                    yield Cell(
                        pair,
                        system,
                        column,
                        metric,
                        *(100 * value for value in estimate),
                        n_items=sum(matrix.shape[1] for matrix in matrices),
                        n_seeds=len(matrices[0]),
                        paper=paper.get((pair, system, column)) if metric == "greedy" else None,
                    )


def _comparisons(table: Table, outcomes: Outcomes) -> Iterator[Comparison]:
    """The tests of `table.compare`; a family of Holm's is one pair, metric and column."""
    others = [system for system in table.systems if system != table.compare]

    for pair, group in _groups(table).items():
        for metric in METRICS:
            for column, members in _columns(table).items():
                ours = outcomes.of(group, table.compare, members, metric)
                theirs = [outcomes.of(group, other, members, metric) for other in others]
                tests = [average_paired_difference(ours, other) for other in theirs]
                adjusted = holm([test.p_value for test in tests])
                for other, other_matrices, test, p_holm in zip(
                    others, theirs, tests, adjusted, strict=True
                ):
                    yield Comparison(
                        pair,
                        metric,
                        column,
                        table.compare,
                        other,
                        *(100 * value for value in test[:3]),
                        p_value=test.p_value,
                        p_holm=p_holm,
                        verdict=_verdict(test.difference, p_holm),
                        n_items=sum(matrix.shape[1] for matrix in ours),
                        n_seeds=max(len(ours[0]), len(other_matrices[0])),
                    )


def _verdict(difference: float, p_holm: float) -> str:
    if p_holm >= SIGNIFICANCE:
        return "not resolved"
    return "better" if difference > 0 else "worse"


def _csv(kind: type, rows: Sequence[Cell] | Sequence[Comparison]) -> str:
    """Rows of `kind` as CSV: percentages with two decimals, p-values with four digits."""
    columns = [field.name for field in fields(kind)]
    return csv_text(
        columns, ([_field(column, getattr(row, column)) for column in columns] for row in rows)
    )


def _field(column: str, value: str | int | float | None) -> str | int | None:
    if not isinstance(value, float):
        return value
    if column.startswith("p_"):
        return f"{value:.4g}"
    return f"{round(value, 2) + 0.0:.2f}"  # adding zero turns -0.0 into 0.0
