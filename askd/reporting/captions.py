"""What a reader has to know beside the numbers of a table, as plain sentences."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from askd.config import Benchmark, Method, Pair, Table
from askd.errors import AskdError
from askd.reporting.sweep_table import options_text

_MEASURE_NOTES = {
    "pass@1": "Accuracy in %",
    "win rate": "Win rate in % against the fixed baseline answer of each item, asked in both "
    "orders (a tie counts half)",
    "mean reward": "Mean reward, times 100, by the grader that the configuration names",
}
SUPERVISION_MARKS = {"rewards": "†", "worked answers": "‡"}
_SUPERVISION_NOTES = {
    "rewards": "the rewards of sampled answers, as the grader gives them",
    "worked answers": "the worked answers of the data set",
}


def metric_titles(measure: str) -> dict[str, str]:
    """Headings of the two metrics of a table."""
    paper = "" if measure == "mean reward" else ", the metric of the paper"
    return {
        "greedy": f"Greedy answers ({measure}{paper})",
        "sampled": f"Sampled answers ({measure}, mean over the samples of each item)",
    }


def table_notes(
    table: Table,
    measure: str,
    pairs: Mapping[str, Pair],
    benchmarks: Mapping[str, Benchmark],
    methods: Mapping[str, Method],
    items: Mapping[tuple[str, str], int],
    seeds: int,
    samples: int,
    paper_methods: Collection[str],
    chosen: Mapping[str, Mapping[str, Mapping[str, Any]]],
    misled: Collection[str],
) -> list[str]:
    """Sentences about the figures of a table, which are those of `measure`.

    `items` are numbers of items by (pair, benchmark), `seeds` the training seeds of a method,
    `samples` the samples of an item, `paper_methods` the systems that the paper has numbers for,
    `chosen` the options by pair and method that are not the method's own, and `misled` the pairs
    whose worked answers lack the systematic errors of the teacher.
    """
    trained = (
        f"Methods are trained with {seeds} seeds, and their intervals cover training seeds and "
        "items; the teacher and the student before distillation are one model each, and theirs "
        "cover items."
        if seeds > 1
        else "Methods are trained with 1 seed: all intervals cover items only."
    )
    counts = []
    for benchmark in table.benchmarks:
        distinct = dict.fromkeys(str(items[pair, benchmark]) for pair in table.pairs)
        counts.append(f"{' / '.join(distinct)} of {benchmarks[benchmark].label}")
    paper_note = (
        " In parentheses: the paper's own number, which comes from other models and other data and "
        "is there for orientation only."
        if paper_methods
        else " The paper has no such table."
    )
    notes = [
        f"{_MEASURE_NOTES[measure]}. In brackets: its 95 % confidence interval, a score interval "
        "whose variance is estimated from the spread over training seeds and over items."
        f"{paper_note}",
        trained,
        f"Items: {', '.join(counts)}; {samples} samples of each. AVG. is the unweighted mean of "
        "the benchmarks.",
        "Best method in bold, second best underlined; equal figures share the mark. The teacher "
        "and the student before distillation take no part.",
    ]
    if table.average_pairs:
        notes.append("Mean of the pairs: each pair weighs the same; seeds are shared by the pairs.")
    notes += [
        f"Methods marked {mark} use {_SUPERVISION_NOTES[supervision]}."
        for supervision, mark in SUPERVISION_MARKS.items()
        if any(
            methods[name].supervision == supervision for name in table.systems if name in methods
        )
    ]
    notes += _oracle_notes(table, pairs, methods, misled)
    notes += [
        _chosen_note(pair, pairs, methods, chosen[pair]) for pair in table.pairs if pair in chosen
    ]
    notes += [
        f"{pairs[pair].label}: {pairs[pair].note}." for pair in table.pairs if pairs[pair].note
    ]
    without_counterpart = sorted(set(paper_methods) - set(table.systems))
    if without_counterpart:
        notes.append(f"Rows of the paper that are not run here: {', '.join(without_counterpart)}.")
    return notes


def _oracle_notes(
    table: Table,
    pairs: Mapping[str, Pair],
    methods: Mapping[str, Method],
    misled: Collection[str],
) -> list[str]:
    """Who trains on answers that are right where a teacher is wrong; nothing where nobody does."""
    where = [pairs[pair].label for pair in table.pairs if pair in misled]
    who = [
        methods[name].label
        for name in table.systems
        if name in methods and methods[name].reference is not None
    ]
    if not where or not who:
        return []
    return [
        f"The teacher of {' and of '.join(where)} errs systematically, and the worked answers of "
        f"the data set do not have these errors: to those who train on them ({', '.join(who)}) "
        "they are an oracle, which the other methods do not have."
    ]


def _chosen_note(
    pair: str,
    pairs: Mapping[str, Pair],
    methods: Mapping[str, Method],
    chosen: Mapping[str, Mapping[str, Any]],
) -> str:
    """The rows of `pair` whose options are not the method's own."""
    source = pairs[pair].tuned_as
    taken = f", from those of {pairs[source].label}" if source else ""
    rows = "; ".join(
        f"{methods[name].label} with {options_text(options)}" for name, options in chosen.items()
    )
    return f"Chosen on validation prompts for {pairs[pair].label}{taken}: {rows}."


def comparison_notes(name: str, method: str) -> list[str]:
    """Sentences about the paired tests of the method labelled `method` in the table `name`."""
    return [
        f"{method} minus each other system, on AVG., in percentage points with the 95 % confidence "
        "interval; compared on the same items and, between methods, the same training seeds.",
        "p is two-sided; Holm's adjustment is over the systems of one pair and metric. "
        f"Better and worse (of {method}): adjusted p below 0.05; all else is not resolved.",
        "Where both have several seeds, p is that of the interval. Where both have one, it is "
        "McNemar's exact test for right or wrong answers to one benchmark, and that of random "
        "signs of the items for all else.",
        f"The tests of each benchmark, adjusted by benchmark, are in {name}_tests.csv.",
    ]


def audit_note(path: Path) -> str:
    """A sentence about the sandbox that ran the answers, from the CSV file of its audit.

    Raises:
        AskdError: the file is missing or is no audit.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        wrong = sum((row["status"] == "passed") != (row["expected"] == "pass") for row in rows)
        violations = sum(bool(row["violations"]) for row in rows)
    except (OSError, KeyError) as error:
        raise AskdError(f"{path}: no audit of the sandbox ({error}); run `audit` again.") from error
    return (
        "Answers are programs, which were run in a sandbox. In its audit on the same machine "
        f"{len(rows)} programs tried to fool or to leave it: {wrong} wrong verdicts, {violations} "
        f"violations ({path.with_suffix('.md').name})."
    )
