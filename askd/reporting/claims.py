"""The claims stage: each empirical claim of the paper, with the verdict of this run."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from pydantic import Field

from askd.artifacts import write_text
from askd.config import Strict, Table, validate
from askd.config.claims import ClaimedFact, Claims
from askd.errors import AskdError
from askd.reporting.claims_measured import (
    NOT_RUN,
    NOT_TESTED,
    measure,
    share_verdict,
    verdict,
)
from askd.reporting.claims_paper import (
    Contrast,
    PaperTable,
    contrasts,
    paper_text,
    read_tables,
    resolves_text,
)
from askd.reporting.claims_text import Row, as_csv, as_markdown
from askd.reporting.outcomes import METRICS, Outcomes, load


class ClaimsSettings(Strict):
    """What the claims stage reads of the configuration."""

    tables: dict[str, Table] = Field(description="The tables of this run.")
    methods: list[str] = Field(description="Names of all methods.")
    seeds: int = Field(description="Number of seeds of each method.")
    results: str = Field(description="Folder of the scale's results.")


def claims(settings: ClaimsSettings, path: Path, output: Path) -> None:
    """Write the verdict on each claim of `path` as OUTPUT.{csv,md}.

    The paper's tables are in the folder paper_tables beside `path`. Verdicts are computed from the
    answers of this run, and from the shares in figures/facts.csv below its results, if there are
    any; `askd.reporting.claims_measured.DEFINITION` says how.

    Raises:
        AskdError: the file is missing, malformed or has an unknown name, or outcomes are missing.
    """
    written = read_claims(path)
    rows = list(_rows(settings, written, path))
    write_text(output.with_suffix(".csv"), as_csv(rows))
    write_text(output.with_suffix(".md"), as_markdown(rows, settings.seeds, written.items))


def read_claims(path: Path) -> Claims:
    """The claims that a YAML file holds."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise AskdError(f"{path}: no YAML file of claims ({reason}).") from error
    return validate(Claims, value, str(path))


def _rows(settings: ClaimsSettings, written: Claims, path: Path) -> Iterator[Row]:
    paper = read_tables(path.parent / "paper_tables", written.items)
    found = {
        claim.id: contrasts(claim, paper, settings.methods, str(path)) for claim in written.claims
    }
    results = Path(settings.results)
    used = sorted({claim.table for claim in written.claims} & set(settings.tables))
    outcomes = {name: load(settings.tables[name], settings.seeds, results) for name in used}
    facts = _read_facts(results / "figures" / "facts.csv")
    for claim in written.claims:
        row = Row(claim.id, claim.section, claim.words, note=claim.note)
        if claim.untested is not None:
            note = f"{claim.untested} {claim.note}".strip()
            yield replace(row, verdict=NOT_TESTED, note=note)
        elif claim.fact is not None:
            yield _with_share(row, claim.fact, facts)
        else:
            compared = found[claim.id]
            yield _with_comparisons(
                replace(
                    row,
                    table=claim.table,
                    paper=paper_text(compared, paper[claim.table]),
                    paper_resolves=resolves_text(compared, paper[claim.table], written.items),
                ),
                compared,
                paper[claim.table],
                settings.tables.get(claim.table),
                outcomes.get(claim.table),
            )


def _with_comparisons(
    row: Row,
    compared: Sequence[Contrast],
    paper: PaperTable,
    table: Table | None,
    outcomes: Outcomes | None,
) -> Row:
    greedy, sampled = (
        [] if table is None else measure(compared, paper, table, outcomes, metric)
        for metric in METRICS
    )
    row = replace(
        row,
        comparisons=f"{len(greedy)} of {len(compared)}",
        verdict=verdict(greedy, len(compared)),
        verdict_sampled=verdict(sampled, len(compared)),
    )
    if not greedy:
        return row
    weakest = min(greedy, key=lambda one: one.test.difference)
    return replace(
        row,
        weakest=str(weakest.contrast),
        effect=_points(weakest.test.difference),
        ci_low=_points(weakest.test.ci_low),
        ci_high=_points(weakest.test.ci_high),
        p_holm=f"{weakest.p_holm:.4g}",
        seeds_needed=weakest.seeds_needed,
        seeds_needed_paper=weakest.seeds_needed_paper,
    )


def _with_share(row: Row, fact: ClaimedFact, facts: Mapping[str, Sequence[float]]) -> Row:
    if fact.name not in facts:
        return replace(row, verdict=NOT_RUN)
    value, ci_low, ci_high, count = facts[fact.name]
    return replace(
        row,
        comparisons=f"n = {count:.0f}",
        weakest=f"share {fact.name}",
        effect=_points(value),
        ci_low=_points(ci_low),
        ci_high=_points(ci_high),
        verdict=share_verdict(fact, value, ci_low, ci_high),
    )


def _read_facts(path: Path) -> dict[str, Sequence[float]]:
    """Value, limits and count of each measured share; none where no figures were made."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return {
                row["name"]: [float(row[key]) for key in ("value", "ci_low", "ci_high", "n")]
                for row in csv.DictReader(file)
            }
        except (KeyError, TypeError, ValueError) as error:
            raise AskdError(f"{path}: no file of measured shares ({error}).") from error


def _points(fraction: float) -> str:
    return f"{round(100 * fraction, 2) + 0.0:.2f}"  # adding zero turns -0.0 into 0.0
