"""This run's side of a claim: paired tests of its comparisons, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askd.config import Table
from askd.config.claims import ClaimedFact
from askd.evaluation.power import seeds_needed
from askd.evaluation.stats import Difference, average_paired_difference, holm
from askd.reporting.claims_paper import Contrast, PaperTable, claimed_effect
from askd.reporting.outcomes import Outcomes
from askd.reporting.table import SIGNIFICANCE

REPRODUCED = "reproduced"
IN_PART = "reproduced in part"
OPPOSITE = "opposite"
NOT_REPRODUCED = "not reproduced"
NOT_RESOLVABLE = "not resolvable"
NOT_RUN = "not run"
NOT_TESTED = "not tested"
VERDICTS = (
    REPRODUCED,
    IN_PART,
    OPPOSITE,
    NOT_REPRODUCED,
    NOT_RESOLVABLE,
    NOT_RUN,
    NOT_TESTED,
)

DEFINITION = (
    "reproduced: every comparison of the claim has the claimed sign with p (Holm, over the "
    "comparisons of the claim) below 0.05.",
    "opposite: a comparison has the other sign with p (Holm) below 0.05.",
    "not reproduced: neither, and the 95 % interval of a comparison lies wholly below the effect "
    "that the words state, or else the difference in the paper's table.",
    "not resolvable: none of these, at this number of seeds and items.",
    "reproduced in part: all comparisons that were run hold, but some were not run.",
    "not run: this run has none of the claim's pairs, methods or benchmarks, or too few items.",
    "A claimed share of all tokens is reproduced if no token is an exception, not reproduced if "
    "the interval lies below 100 %, and opposite if it lies below 50 %; a claimed share of most is "
    "reproduced if the interval lies above 50 %, and opposite if it lies below.",
)


@dataclass(frozen=True)
class Measured:
    """A comparison that was run: points, positive as claimed; `blocks` are its differences."""

    contrast: Contrast
    test: Difference
    p_holm: float
    claimed: float | None
    blocks: Sequence[np.ndarray]

    @property
    def seeds_needed(self) -> str:
        """Seeds that would resolve the effect as it was measured."""
        return seeds_needed(self.blocks, self.test.difference)

    @property
    def seeds_needed_paper(self) -> str:
        """Seeds that would resolve the effect that the paper claims."""
        return "" if self.claimed is None else seeds_needed(self.blocks, self.claimed / 100)


def measure(
    found: Sequence[Contrast], paper: PaperTable, table: Table, outcomes: Outcomes, metric: str
) -> list[Measured]:
    """The tests of those comparisons that the run's `table` has; Holm's family is all of them."""
    pairs = {}
    for contrast in found:
        members = paper.members(contrast.benchmark)
        if not _is_run(contrast, members, table):
            continue
        ours, theirs = (
            [outcomes.matrices[contrast.pair, name, member, metric] for member in members]
            for name in (contrast.method, contrast.against)
        )
        if contrast.teacher_wrong:
            wrong = [
                outcomes.matrices[contrast.pair, "teacher", member, "greedy"][0] == 0
                for member in members
            ]
            if min(mask.sum() for mask in wrong) < 2:  # an interval needs at least two
                continue
            ours = [block[:, mask] for block, mask in zip(ours, wrong, strict=True)]
            theirs = [block[:, mask] for block, mask in zip(theirs, wrong, strict=True)]
        pairs[contrast] = (ours, theirs)
    tests = [average_paired_difference(*pair) for pair in pairs.values()]
    return [
        Measured(
            contrast,
            test,
            p_holm,
            claimed_effect(contrast, paper),
            [np.subtract(*np.broadcast_arrays(a, b)) for a, b in zip(ours, theirs, strict=True)],
        )
        for (contrast, (ours, theirs)), test, p_holm in zip(
            pairs.items(), tests, holm([test.p_value for test in tests]), strict=True
        )
    ]


def _is_run(contrast: Contrast, members: Sequence[str], table: Table) -> bool:
    systems = {contrast.method, contrast.against}
    if contrast.teacher_wrong:
        systems.add("teacher")
    return (
        contrast.pair in table.pairs
        and systems <= set(table.systems)
        and set(members) <= set(table.benchmarks)
    )


def verdict(measured: Sequence[Measured], planned: int) -> str:
    """The verdict on a claim of `planned` comparisons, as DEFINITION says."""
    if not measured:
        return NOT_RUN
    resolved = [one for one in measured if one.p_holm < SIGNIFICANCE]
    if any(one.test.difference < 0 for one in resolved):
        return OPPOSITE
    if len(resolved) == len(measured):
        return REPRODUCED if len(measured) == planned else IN_PART
    if any(one.claimed is not None and 100 * one.test.ci_high < one.claimed for one in measured):
        return NOT_REPRODUCED
    return NOT_RESOLVABLE


def share_verdict(fact: ClaimedFact, value: float, ci_low: float, ci_high: float) -> str:
    """The verdict on a claimed share, as DEFINITION says."""
    if ci_high < 0.5:
        return OPPOSITE
    if fact.share == "most":
        return REPRODUCED if ci_low > 0.5 else NOT_RESOLVABLE
    if value == 1:
        return REPRODUCED
    return NOT_REPRODUCED if ci_high < 1 else NOT_RESOLVABLE
