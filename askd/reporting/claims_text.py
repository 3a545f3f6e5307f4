"""The claims as they are printed: CSV and Markdown."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields

from askd.reporting.claims_measured import DEFINITION, VERDICTS
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid

COMMAND = "snakemake claims"

_NOTES = (
    "Effects are percentage points of accuracy, positive as claimed, with the 95 % confidence "
    "interval over training seeds and items; of `more than`, differences of two such differences. "
    "Shares are in %, other facts in their own unit, and noise is a ratio. The weakest comparison "
    "is the one with the smallest effect. Verdict is on greedy answers, the metric of the paper; "
    "sampled on the mean over the samples of each item.",
    "Its numbers: the paper's, of the comparison with the smallest difference. They come from "
    "other models and other data.",
    "Resolved by its items: whether the paper's differences exceed what one run of each system can "
    "tell from chance (two independent proportions, 95 %; a paired test would need the paper's "
    "answers, which are not published), and the difference that this needs, in "
    "points. Items: {items}. The paper does not state them; these are the sizes of the public test "
    "sets, of MBPP in EvalPlus's version, and for UltraFeedback the number that DistiLLM-2 uses.",
    "Run: comparisons that this run has, of those that the claim makes; or the tokens or outputs "
    "behind a fact.",
    "Seeds needed: training seeds that would resolve the weakest comparison by itself on the items "
    "at hand (two-sided 5 %, power 80 %), for the effect as measured / as the paper claims it; "
    "`more items` where the items alone are too few. The spread that it rests on is itself known "
    "from few seeds: take it as an order of magnitude.",
)


@dataclass(frozen=True)
class Row:
    """A claim as it is printed; effects are points, positive as claimed, of the weakest
    comparison: the one with the smallest effect in the claimed direction."""

    id: str
    section: str
    words: str
    table: str = ""
    paper: str = ""
    paper_resolves: str = ""
    comparisons: str = ""
    weakest: str = ""
    effect: str = ""
    ci_low: str = ""
    ci_high: str = ""
    p_holm: str = ""
    verdict: str = ""
    verdict_sampled: str = ""
    seeds_needed: str = ""
    seeds_needed_paper: str = ""
    note: str = ""
    command: str = COMMAND


def as_csv(rows: Sequence[Row]) -> str:
    """All columns, one row for each claim."""
    return csv_text((field.name for field in fields(Row)), map(astuple, rows))


def as_markdown(rows: Sequence[Row], seeds: int, items: Mapping[str, int]) -> str:
    """The same to read: a summary, the table, and what its words mean; `items` are the paper's."""
    counts = Counter(row.verdict for row in rows)
    trained = "1 seed" if seeds == 1 else f"{seeds} seeds"
    summary = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])
    header = (
        "Claim",
        "Section",
        "The paper claims that",
        "Its numbers",
        "Resolved by its items",
        "Run",
        "Weakest comparison here",
        "Effect",
        "p (Holm)",
        "Verdict",
        "Sampled",
        "Seeds needed",
    )
    sizes = ", ".join(f"{count} of {name}" for name, count in items.items())
    notes = [
        *(note.format(items=sizes) for note in _NOTES),
        *(f"{row.id}: {row.note}" for row in rows if row.note),
    ]
    return (
        "\n\n".join(
            [
                "# The paper's empirical claims",
                textwrap.fill(f"Verdicts on {len(rows)} claims, with {trained}: {summary}.", 100),
                grid(header, map(_cells, rows)),
                "A verdict is one of these:",
                _bullets(DEFINITION),
                "How to read the table:",
                _bullets(notes),
            ]
        )
        + "\n"
    )


def points(fraction: float) -> str:
    """A fraction in percentage points."""
    return f"{round(100 * fraction, 2) + 0.0:.2f}"  # adding zero turns -0.0 into 0.0


def _cells(row: Row) -> Sequence[str]:
    effect = f"{row.effect} [{row.ci_low}, {row.ci_high}]".replace("-", "−") if row.effect else ""
    small = row.p_holm and float(row.p_holm) < 0.001
    p_holm = "< 0.001" if small else row.p_holm and f"{float(row.p_holm):.3f}"
    needed = " / ".join(filter(None, (row.seeds_needed, row.seeds_needed_paper)))
    return (
        row.id,
        row.section,
        row.words,
        row.paper,
        row.paper_resolves,
        row.comparisons,
        row.weakest,
        effect,
        p_holm,
        row.verdict,
        row.verdict_sampled,
        needed,
    )


def _bullets(notes: Iterable[str]) -> str:
    return "\n".join(
        textwrap.fill(
            note, 100, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        for note in notes
    )
