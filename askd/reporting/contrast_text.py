"""One method against another as it is printed: CSV, Markdown, and sentences that follow from it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from itertools import groupby
from statistics import fmean

from askd.reporting.contrast_rows import (
    BETTER,
    NOT_RESOLVED,
    WORSE,
    Row,
    counts,
    signed,
)
from askd.reporting.contrast_teachers import by_teacher
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid
from askd.reporting.outcomes import METRICS

FILE = "askd_against_distillm2"
"""What the question of config/claims.yaml is called among the results."""
COMPARISON, REMEDY, CONDITION, PAIRS = "comparison", "remedy", "condition", "pairs"
HEADER = ("Question", "Compared", "Pair", "Answers", "Difference", "p (Holm)", "Verdict")
NOTES = (
    "Differences of the average over the benchmarks of a table, in percentage points, with the "
    "95 % confidence interval over training seeds and items, paired by both.",
    "better, worse: p below 0.05 by Holm's adjustment over the comparisons and pairs of a "
    "question; greedy answers (the metric of the paper) and sampled ones are adjusted apart.",
    "A pair that several tables have with the same benchmarks is shown once.",
)


def as_csv(rows: Sequence[Row]) -> str:
    """All columns, one row for each comparison."""
    return csv_text((field.name for field in fields(Row)), map(astuple, rows))


def as_markdown(rows: Sequence[Row]) -> str:
    """The same to read: what was found, then the numbers; the first question is the title."""
    return (
        "\n\n".join(
            [
                f"# {rows[0].words}",
                _bullets(sentences(rows)),
                grid(HEADER, [cells(row) for row in rows if row.pair]),
                _bullets(NOTES),
            ]
        )
        + "\n"
    )


def cells(row: Row) -> tuple[str, ...]:
    """The entries of a row below HEADER."""
    number = f"{row.difference} [{row.ci_low}, {row.ci_high}]".replace("-", "−")
    p_holm = float(row.p_holm)
    return (
        row.question,
        f"{row.method} − {row.against}",
        row.pair,
        row.metric,
        number,
        "< 0.001" if p_holm < 0.001 else f"{p_holm:.3f}",
        row.verdict,
    )


def sentences(rows: Sequence[Row]) -> list[str]:
    """What the verdicts say, one sentence or a few for each question; its words come first."""
    first = [row for row in rows if row.question == rows[0].question]
    texts = []
    for _, group in groupby(rows, key=lambda row: row.question):
        of_question = list(group)
        said = " ".join(_said(of_question, first))
        texts.append(f"{of_question[0].question} ({of_question[0].words}): {said}")
    return texts


def _said(rows: Sequence[Row], first: Sequence[Row]) -> Iterator[str]:
    run = [row for row in rows if row.pair]
    if not run:
        yield "this run does not have it."
        return
    if rows[0].kind == CONDITION:
        yield from _on_condition(run, first)
        return
    for other in dict.fromkeys(row.against for row in run):
        own = [row for row in run if row.against == other]
        yield f"{own[0].method} against {other} is {counts(own)}."
        if rows[0].kind == COMPARISON:
            yield from by_teacher(own)
    yield _CONCLUSIONS[rows[0].kind](run)
    if rows[0].kind == REMEDY and rows[0].method == first[0].method:
        yield f"{first[0].method} is without it here."


def _of_comparison(rows: Sequence[Row]) -> str:
    found = {row.verdict for row in rows}
    if found == {BETTER}:
        return "It is above throughout."
    if BETTER not in found:
        return "It is above nowhere." if WORSE in found else "This run does not resolve it."
    return "It is above on some, not on all."


def _of_remedy(rows: Sequence[Row]) -> str:
    found = {row.verdict for row in rows}
    if {BETTER, WORSE} <= found:
        return "So whether it costs accuracy depends on the pair, the answers or the alternative."
    if BETTER in found:
        return "So it costs accuracy where it is at work."
    return (
        "So it is no cause: without it nothing is gained."
        if WORSE in found
        else ("So this run does not resolve whether it is a cause.")
    )


def _of_pairs(rows: Sequence[Row]) -> str:
    numbers = ", ".join(
        f"{row.pair} {signed(float(row.difference))} ({row.metric}, {row.verdict})" for row in rows
    )
    found = [{row.verdict for row in rows if row.metric == metric} for metric in METRICS]
    turns = any({BETTER, WORSE} <= verdicts for verdicts in found)
    return (
        f"By pair: {numbers}. So the outcome {'turns' if turns else 'is not seen to turn'} with it."
    )


def _on_condition(rows: Sequence[Row], first: Sequence[Row]) -> Iterator[str]:
    """The first question's outcome, apart for the pairs of each verdict on the condition."""
    for verdict in (BETTER, WORSE, NOT_RESOLVED):
        places = {(row.pair, row.metric) for row in rows if row.verdict == verdict}
        own = [row for row in first if (row.pair, row.metric) in places]
        if own:
            state = f"{verdict} than" if verdict != NOT_RESOLVED else "not resolved from"
            yield (
                f"Where {rows[0].method} is {state} {rows[0].against}, {own[0].method} against "
                f"{own[0].against} is {counts(own)}, by "
                f"{signed(fmean(float(row.difference) for row in own))} points in the mean."
            )


_CONCLUSIONS = {COMPARISON: _of_comparison, REMEDY: _of_remedy, PAIRS: _of_pairs}


def _bullets(texts: Sequence[str]) -> str:
    return "\n".join(
        textwrap.fill(
            text, 100, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        for text in texts
    )
