"""The answers stage: what the scores of the tables do not show. Light: imports no torch.

An answer that cannot be read, or takes too long, counts as a wrong one; a judge may contradict
itself. Each evaluation's summary.json has the rates; here they are beside each other.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import Field

from askd.artifacts import write_text
from askd.errors import AskdError
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid
from askd.reporting.outcomes import METRICS, UNTRAINED
from askd.reporting.tables_settings import TablesSettings

HEADINGS = ("System", "Answers", "Benchmark", "Unread", "Too slow", "pass@k")
JUDGED = ("Contradicted", "Invalid", "First place", "Win rate, by length")
RATES = ("inconsistent", "invalid", "first_position", "length_controlled")
READING = (
    "In %, means over seeds. Unread: answers that the grader could not read, such as one without a "
    "number; too slow: those whose grading took too long. Both count as wrong in the tables. "
    "Where a judge compares answers, none is read.",
    "pass@k: of sampled answers, with the largest k that the samples allow.",
    "Contradicted: pairs that the judge decided otherwise in the other order (they count half); "
    "invalid: its verdicts that could not be read (their pairs count half too); first place: how "
    "often the first of two answers won; win rate, by length: controlled for the length of the "
    "answers.",
)


class AnswersSettings(TablesSettings):
    """What the stage reads of the configuration."""

    methods: dict[str, str] = Field(description="Labels of the methods.")


@dataclass(frozen=True)
class Row:
    """Rates of a system on a benchmark in %.

    Those of a judge are None where none was asked, or where they are shares of nothing; that of
    unread answers is None where a judge was asked.
    """

    pair: str
    system: str
    metric: str
    benchmark: str
    unread: float | None
    too_slow: float
    k: int | None
    pass_at_k: float | None
    inconsistent: float | None
    invalid: float | None
    first_position: float | None
    length_controlled: float | None


def answers(settings: AnswersSettings, output: Path) -> None:
    """Write OUTPUT.{csv,md} from the summaries of all systems of all tables.

    Raises:
        AskdError: a summary is missing or malformed.
    """
    rows = list(_rows(settings))
    columns = [field.name for field in fields(Row)]
    cells = ([_plain(value) for value in astuple(row)] for row in rows)
    write_text(output.with_suffix(".csv"), csv_text(columns, cells))
    write_text(output.with_suffix(".md"), _markdown(settings, rows))


def _rows(settings: AnswersSettings) -> Iterator[Row]:
    shown = dict.fromkeys(
        (pair, system, benchmark)
        for table in settings.tables.values()
        for pair in table.pairs
        for system in table.systems
        for benchmark in table.benchmarks
    )
    for pair, system, benchmark in shown:
        seeds = range(1 if system in UNTRAINED else settings.seeds)
        summaries = [_read(settings.results, pair, system, seed, benchmark) for seed in seeds]
        for metric in METRICS:
            try:
                yield _row(pair, system, metric, benchmark, summaries)
            except (KeyError, TypeError, ValueError) as error:
                raise AskdError(
                    f"{settings.results}/{pair}/{system}: the summaries of {benchmark} are not "
                    f"what an evaluation writes ({error!r}); run it again."
                ) from error


def _row(
    pair: str, system: str, metric: str, benchmark: str, summaries: Sequence[dict[str, Any]]
) -> Row:
    judges = [summary["judge"][metric] for summary in summaries if summary["judge"]]
    k = max(map(int, summaries[0]["pass_at_k"])) if metric == "sampled" else None
    return Row(
        pair,
        system,
        metric,
        benchmark,
        unread=_percent(summary["parse_failures"][metric] for summary in summaries),
        too_slow=_percent(summary["timeouts"][metric] for summary in summaries),
        k=k,
        pass_at_k=k and _percent(summary["pass_at_k"][str(k)] for summary in summaries),
        inconsistent=_percent(judge["inconsistent"] for judge in judges),
        invalid=_percent(judge["invalid"] for judge in judges),
        first_position=_percent(judge["first_position"] for judge in judges),
        length_controlled=_percent(
            # None for a single prompt.
            judge["length_controlled"] and judge["length_controlled"]["mean"]
            for judge in judges
        ),
    )


def _read(results: str, pair: str, system: str, seed: int, benchmark: str) -> dict[str, Any]:
    path = Path(results) / pair / system / f"seed{seed}" / "eval" / benchmark / "summary.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AskdError(
            f"{path}: no summary of an evaluation ({error}); evaluate {system} again."
        ) from error


def _percent(rates: Iterator[float | None]) -> float | None:
    """The mean in % of the rates that are known, for a share of nothing is None; None of none."""
    known = [rate for rate in rates if rate is not None]
    return 100 * fmean(known) if known else None


def _plain(value: str | float | None) -> str | int | None:
    return f"{value:.2f}" if isinstance(value, float) else value


def _markdown(settings: AnswersSettings, rows: Sequence[Row]) -> str:
    blocks = ["# Answers that were not read, and how the judge did"]
    for pair in dict.fromkeys(row.pair for row in rows):
        own = [row for row in rows if row.pair == pair]
        judged = any(row.invalid is not None for row in own)
        header = HEADINGS + JUDGED if judged else HEADINGS
        lines = [_cells(settings, row)[: len(header)] for row in own]
        blocks += [f"## {settings.pairs[pair]}", grid(header, lines)]
    notes = (textwrap.fill(note, 100, subsequent_indent="  ") for note in READING)
    blocks.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(blocks) + "\n"


def _cells(settings: AnswersSettings, row: Row) -> tuple[str, ...]:
    pass_at_k = "" if row.pass_at_k is None else f"{row.pass_at_k:.1f} (k = {row.k})"
    judge = (getattr(row, name) for name in RATES)
    return (
        settings.methods.get(row.system, row.system),
        row.metric,
        settings.benchmarks[row.benchmark],
        _cell(row.unread),
        _cell(row.too_slow),
        pass_at_k,
        *map(_cell, judge),
    )


def _cell(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1f}"
