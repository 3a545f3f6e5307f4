"""The contrast stage: one method against another over all tables, and what may be the cause."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from askd.artifacts import write_text
from askd.config import Table, nearest
from askd.config.claims import Against, Cause, Summary
from askd.errors import AskdError
from askd.evaluation.stats import average_paired_difference, holm
from askd.reporting.claims import ClaimsSettings, read_claims
from askd.reporting.claims_text import points
from askd.reporting.contrast_rows import BETTER, NOT_RESOLVED, SYSTEMATIC, WORSE, Row
from askd.reporting.contrast_text import COMPARISON, as_csv, as_markdown
from askd.reporting.outcomes import METRICS, UNTRAINED, load
from askd.reporting.table import SIGNIFICANCE

# Pair, the two systems, and the benchmarks that are averaged.
_Key = tuple[str, str, str, tuple[str, ...]]


def contrast(settings: ClaimsSettings, path: Path, output: Path) -> None:
    """Write what the section `summary` of the claims in `path` asks for as OUTPUT.{csv,md}.

    Raises:
        AskdError: the file is missing, malformed, without the section or has an unknown name, or
            outcomes are missing.
    """
    summary = read_claims(path).summary
    if summary is None:
        raise AskdError(f"{path}: no section `summary`; it says which methods to compare.")
    _check(summary, {*settings.supervision, *UNTRAINED}, path)
    rows = [
        row
        for question in (*summary.comparisons, *summary.causes)
        for row in _answer(question, settings)
    ]
    write_text(output.with_suffix(".csv"), as_csv(rows))
    write_text(output.with_suffix(".md"), as_markdown(rows))


def _check(summary: Summary, systems: Collection[str], path: Path) -> None:
    for question in (*summary.comparisons, *summary.causes):
        for name in (question.method, *question.against):
            if name not in systems:
                raise AskdError(
                    f"{path}, summary, {question.name}: unknown method {name!r}; "
                    f"{nearest(name, systems)}"
                )


def _answer(question: Against, settings: ClaimsSettings) -> Iterator[Row]:
    """The rows of a question: all of one metric, then all of the other."""
    kind = question.kind if isinstance(question, Cause) else COMPARISON
    blank = Row(kind, question.name, question.words, question.method, ", ".join(question.against))
    places = _places(question, settings.tables)
    if not places:
        yield blank
        return
    matrices = {}
    for name in dict.fromkeys(places.values()):
        own = [key for key, table in places.items() if table == name]
        needed = {
            "pairs": list(dict.fromkeys(pair for pair, *_ in own)),
            "systems": list(dict.fromkeys(system for _, *both, _ in own for system in both)),
        }
        table = settings.tables[name].model_copy(update=needed)
        matrices[name] = load(table, settings.seeds, Path(settings.results)).matrices
    for metric in METRICS:
        tests = [
            average_paired_difference(
                *(
                    [matrices[table][pair, system, benchmark, metric] for benchmark in benchmarks]
                    for system in (method, against)
                )
            )
            for (pair, method, against, benchmarks), table in places.items()
        ]
        adjusted = holm([test.p_value for test in tests])
        for ((pair, method, against, _), table), test, p_holm in zip(
            places.items(), tests, adjusted, strict=True
        ):
            sign = BETTER if test.difference > 0 else WORSE
            yield replace(
                blank,
                against=against,
                pair=pair,
                teacher=SYSTEMATIC if pair in settings.oracles else "",
                oracle=_oracle(method, against, settings.oracles.get(pair, ())),
                table=table,
                metric=metric,
                difference=points(test.difference),
                ci_low=points(test.ci_low),
                ci_high=points(test.ci_high),
                p_holm=f"{p_holm:.4g}",
                verdict=sign if p_holm < SIGNIFICANCE else NOT_RESOLVED,
            )


def _oracle(method: str, against: str, oracles: Collection[str]) -> str:
    """The one of the two that is among `oracles`, unless both are."""
    knowing = [name for name in (method, against) if name in oracles]
    return knowing[0] if len(knowing) == 1 else ""


def _places(question: Against, tables: Mapping[str, Table]) -> dict[_Key, str]:
    """The first table that has each comparison; a later one with the same pair would repeat it."""
    if not isinstance(question, Cause):
        tables = {name: table for name, table in tables.items() if table.paper is not None}
    elif question.table is not None:
        tables = {name: table for name, table in tables.items() if name == question.table}
    places: dict[_Key, str] = {}
    for against in question.against:
        for name, table in tables.items():
            if {question.method, against} <= set(table.systems):
                for pair in table.pairs:
                    key = (pair, question.method, against, tuple(table.benchmarks))
                    places.setdefault(key, name)
    return places
