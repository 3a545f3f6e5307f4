"""The claims stage: each empirical claim of the paper, with the verdict of this run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from pydantic import Field

from askd.artifacts import write_text
from askd.config import Strict, Table, validate
from askd.config.claims import Claims
from askd.errors import AskdError
from askd.reporting.claims_measured import Measured, is_run, measure, verdict
from askd.reporting.claims_oracles import split, supervision_note
from askd.reporting.claims_paper import contrasts, paper_text, read_tables, resolves_text
from askd.reporting.claims_stages import decided_elsewhere
from askd.reporting.claims_text import Row, as_csv, as_markdown, points
from askd.reporting.outcomes import METRICS, load


class ClaimsSettings(Strict):
    """What the claims stage reads of the configuration."""

    tables: dict[str, Table] = Field(description="The tables of this run.")
    supervision: dict[str, str] = Field(
        description="What each method sees of the right answers, by name; all methods."
    )
    oracles: dict[str, list[str]] = Field(
        default={},
        description="By pair whose worked answers lack the systematic errors of the teacher: the "
        "methods that train on them.",
    )
    seeds: int = Field(description="Number of seeds of each method.")
    results: str = Field(description="Folder of the scale's results.")


def claims(settings: ClaimsSettings, path: Path, output: Path) -> None:
    """Write the verdict on each claim of `path` as OUTPUT.{csv,md}.

    The paper's tables are in the folder paper_tables beside `path`. Verdicts are computed from the
    answers of this run, and from what other stages wrote below its results, if they did;
    `askd.reporting.claims_measured.DEFINITION` says how.

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
    known = settings.supervision
    found = {claim.id: contrasts(claim, paper, known, str(path)) for claim in written.claims}
    results = Path(settings.results)
    used = {contrast.table for compared in found.values() for contrast in compared}
    outcomes = {
        name: load(settings.tables[name], settings.seeds, results)
        for name in sorted(used & set(settings.tables))
    }
    for claim in written.claims:
        row = Row(claim.id, claim.section, claim.words, note=claim.note)
        compared = found[claim.id]
        if not compared:
            yield replace(row, **decided_elsewhere(claim, results))
            continue
        row = replace(
            row,
            table=", ".join(dict.fromkeys(contrast.table for contrast in compared)),
            paper=paper_text(compared, paper),
            paper_resolves=resolves_text(compared, paper, written.items),
        )
        are_run = [one for one in compared if is_run(one, settings.tables.get(one.table))]
        deciding, left_out = split(compared, are_run, settings.oracles)
        greedy, sampled = (
            measure(deciding, paper, settings.tables, outcomes, metric) for metric in METRICS
        )
        beside = supervision_note(
            greedy,
            left_out,
            measure(left_out, paper, settings.tables, outcomes, METRICS[0]),
            settings.oracles,
            settings.supervision,
        )
        row = replace(row, note=" ".join(filter(None, (row.note, beside))))
        yield _with_comparisons(row, len(deciding), greedy, sampled)


def _with_comparisons(
    row: Row, planned: int, greedy: Sequence[Measured], sampled: Sequence[Measured]
) -> Row:
    row = replace(
        row,
        comparisons=f"{len(greedy)} of {planned}",
        verdict=verdict(greedy, planned),
        verdict_sampled=verdict(sampled, planned),
    )
    if not greedy:
        return row
    weakest = min(greedy, key=lambda one: one.test.difference)
    return replace(
        row,
        weakest=str(weakest.contrast),
        effect=points(weakest.test.difference),
        ci_low=points(weakest.test.ci_low),
        ci_high=points(weakest.test.ci_high),
        p_holm=f"{weakest.p_holm:.4g}",
        seeds_needed=weakest.seeds_needed,
        seeds_needed_paper=weakest.seeds_needed_paper,
    )
