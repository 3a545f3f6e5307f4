"""Claims that other stages decide: measured facts, statements of the theory, noise of gradients.

Each function gives the columns of the claim's row that it knows, or none where the stage's file is
not there or lacks what the claim names.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import numpy as np

from askd.config import nearest
from askd.config.claims import Claim, ClaimedFact
from askd.errors import AskdError
from askd.reporting.claims_measured import (
    NOT_REPRODUCED,
    NOT_RESOLVABLE,
    NOT_RUN,
    OPPOSITE,
    REPRODUCED,
)

Columns = dict[str, str]
_NOT_RUN: Columns = {"verdict": NOT_RUN}
# By the verdict of the theory stage; the first of this order that occurs decides.
OF_STATEMENTS = {
    "does not hold": NOT_REPRODUCED,
    "holds with a correction": NOT_REPRODUCED,
    "not stated precisely": NOT_RESOLVABLE,
    "holds": REPRODUCED,
}


def decided_elsewhere(claim: Claim, results: Path) -> Columns:
    """The columns of a claim without comparisons, from the files below `results`.

    Raises:
        AskdError: a file is not what its stage writes, or has not the statement of a claim.
    """
    if claim.fact is not None:
        return _read(results / "figures" / "facts.csv", lambda rows: _of_fact(claim.fact, rows))
    tables = results / "tables"
    if claim.theory:
        path = tables / "theory.csv"
        return _read(path, lambda rows: _of_statements(claim, rows, path))
    return _read(tables / "gradient_variance.csv", lambda rows: _of_noise(claim, rows))


def _of_fact(fact: ClaimedFact, rows: list[Columns]) -> Columns:
    for row in rows:
        if row["name"] == fact.name:
            break
    else:
        return _NOT_RUN
    value, low, high, count = (float(row[key]) for key in ("value", "ci_low", "ci_high", "n"))
    of_share = fact.share is not None
    return {
        "comparisons": f"n = {count:.0f}",
        "weakest": f"share {fact.name}" if of_share else fact.name,
        **_interval((100 if of_share else 1) * number for number in (value, low, high)),
        "verdict": fact_verdict(fact, value, low, high),
    }


def fact_verdict(fact: ClaimedFact, value: float, ci_low: float, ci_high: float) -> str:
    """The verdict on a claimed number, as DEFINITION says."""
    if fact.below is not None:
        if ci_high < fact.below:
            return REPRODUCED
        return NOT_REPRODUCED if ci_low > fact.below else NOT_RESOLVABLE
    bound = 0.5 if fact.above is None else fact.above
    if ci_high < bound:
        return OPPOSITE
    if fact.share == "all":
        if value == 1:
            return REPRODUCED
        return NOT_REPRODUCED if ci_high < 1 else NOT_RESOLVABLE
    return REPRODUCED if ci_low > bound else NOT_RESOLVABLE


def _of_statements(claim: Claim, rows: list[Columns], path: Path) -> Columns:
    known = {row["id"]: row["verdict"] for row in rows}
    for name in claim.theory:
        if name not in known:
            raise AskdError(
                f"{path}: claim {claim.id} is decided by the statement {name!r}, which is not "
                f"there; {nearest(name, known)}"
            )
    order = list(OF_STATEMENTS)
    decisive = min(claim.theory, key=lambda name: order.index(known[name]))
    return {
        "comparisons": f"{len(claim.theory)} of {len(claim.theory)}",
        "weakest": f"{decisive}: {known[decisive]}",
        "verdict": OF_STATEMENTS[known[decisive]],
    }


def _of_noise(claim: Claim, rows: list[Columns]) -> Columns:
    """The smallest ratio of noise-to-signal ratios, over pairs, students, sides and skewnesses."""
    noise = claim.noise
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row["estimator"] == noise.estimator:
            place = ", ".join(row[name] for name in ("pair", "student", "side") if name in row)
            limits = [float(row[f"nsr{end}"]) for end in ("", "_low", "_high")]
            found.setdefault(place, {})[row["skewness"]] = limits
    ratios = {}
    for (place, cells), other in product(found.items(), noise.against):
        if noise.skewness in cells and other in cells:
            ours, theirs = np.array(cells[noise.skewness]), np.array(cells[other])
            with np.errstate(divide="ignore", invalid="ignore"):  # no signal at all: infinite
                ratios[f"{noise.skewness} / {other}, {place}"] = ours / theirs[[0, 2, 1]]
    if not ratios:
        return _NOT_RUN
    if any(high < 1 for _, _, high in ratios.values()):
        verdict = OPPOSITE
    else:
        above = all(low > 1 for _, low, _ in ratios.values())
        verdict = REPRODUCED if above else NOT_RESOLVABLE
    # What cannot be told (infinite / infinite) is weaker than any ratio.
    weakest = min(ratios, key=lambda name: np.nan_to_num(ratios[name][0], nan=-1.0))
    return {
        "comparisons": f"{len(ratios)} of {len(ratios)}",
        "weakest": weakest,
        **_interval(ratios[weakest]),
        "verdict": verdict,
    }


def _interval(numbers: Iterable[float]) -> Columns:
    texts = (f"{round(number, 2) + 0.0:.2f}" for number in numbers)  # adding zero: no -0.00
    return dict(zip(("effect", "ci_low", "ci_high"), texts, strict=True))


def _read(path: Path, decide: Callable[[list[Columns]], Columns]) -> Columns:
    if not path.is_file():
        return _NOT_RUN
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return decide(rows)
    except (KeyError, TypeError, ValueError) as error:
        raise AskdError(f"{path}: not the table that its stage writes ({error!r}).") from error
