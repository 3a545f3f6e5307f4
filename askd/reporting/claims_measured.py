"""This run's side of a claim: paired tests of its comparisons, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from askd.config import Table
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
VERDICTS = (
    REPRODUCED,
    IN_PART,
    OPPOSITE,
    NOT_REPRODUCED,
    NOT_RESOLVABLE,
    NOT_RUN,
)

DEFINITION = (
    "reproduced: every comparison of the claim has the claimed sign with p (Holm, over the "
    "comparisons of the claim) below 0.05, and where the words state an effect, no 95 % interval "
    "lies wholly below it: each includes or exceeds what is stated.",
    "opposite: a comparison has the other sign with p (Holm) below 0.05.",
    "not reproduced: neither, and the 95 % interval of a comparison lies wholly below the effect "
    "that the words state, or else the difference in the paper's table.",
    "not resolvable: none of these, at this number of seeds and items.",
    "reproduced in part: all comparisons that were run hold, but some were not run.",
    "not run: this run has none of the claim's pairs, methods or benchmarks, or too few items, or "
    "not the file of the stage that decides it, or no stage measures it.",
    "Comparisons with a method that trains on worked answers, where the teacher has systematic "
    "errors which these answers lack, take no part if others decide the claim: such answers are an "
    "oracle. The remarks name them, with the weakest.",
    "A claimed share of all tokens is reproduced if no token is an exception, not reproduced if "
    "the interval lies below 100 %, and opposite if it lies below 50 %; a claimed share of most is "
    "reproduced if the interval lies above 50 %, and opposite if it lies below. So it is with any "
    "other number that is claimed to be above a bound; one that is claimed to be below a bound is "
    "reproduced if its interval is, and not reproduced if its interval lies above.",
    "A claim that `snakemake theory` decides is reproduced if all its statements hold as they are "
    "printed, not reproduced if one does not, even where it holds with a correction, and not "
    "resolvable if one holds in one reading and fails in another.",
    "A claim of noisier gradients is reproduced if on all sides and students the ratio of the two "
    "noise-to-signal ratios lies above 1, opposite if one lies below 1, and else not resolvable. "
    "The limits of a ratio are those of its parts at their worst, hence at least 95 %.",
)


@dataclass(frozen=True)
class Measured:
    """A comparison that was run: points, positive as claimed; `blocks` are its differences."""

    contrast: Contrast
    test: Difference
    p_holm: float
    claimed: float | None
    blocks: Sequence[np.ndarray]

    def excludes(self, points: float | None) -> bool:
        """Whether the interval lies wholly below a difference in points, if there is one."""
        return points is not None and 100 * self.test.ci_high < points

    @property
    def seeds_needed(self) -> str:
        """Seeds that would resolve the effect as it was measured."""
        return seeds_needed(self.blocks, self.test.difference)

    @property
    def seeds_needed_paper(self) -> str:
        """Seeds that would resolve the effect that the paper claims."""
        return "" if self.claimed is None else seeds_needed(self.blocks, self.claimed / 100)


def measure(
    found: Sequence[Contrast],
    paper: Mapping[str, PaperTable],
    tables: Mapping[str, Table],
    outcomes: Mapping[str, Outcomes],
    metric: str,
) -> list[Measured]:
    """The tests of those comparisons that the run's `tables` have; Holm's family is all of them."""
    pairs = {}
    for contrast in found:
        if not is_run(contrast, tables.get(contrast.table)):
            continue
        matrices = outcomes[contrast.table].matrices
        ours, theirs = (
            [matrices[contrast.pair, name, member, metric] for member in contrast.members]
            for name in (contrast.method, contrast.against)
        )
        if contrast.teacher_wrong:
            wrong = [
                matrices[contrast.pair, "teacher", member, "greedy"][0] == 0
                for member in contrast.members
            ]
            if min(mask.sum() for mask in wrong) < 2:  # an interval needs at least two
                continue
            ours = [block[:, mask] for block, mask in zip(ours, wrong, strict=True)]
            theirs = [block[:, mask] for block, mask in zip(theirs, wrong, strict=True)]
        if contrast.than is not None:
            # Swapped, the second difference enters the mean of both with the other sign; what has
            # one run, such as the student before distillation, has it beside each of the other's.
            first, second = map(np.broadcast_arrays, ours, theirs)
            ours, theirs = [first[0], second[1]], [first[1], second[0]]
        pairs[contrast] = (ours, theirs)
    tests = [_test(contrast, *pair) for contrast, pair in pairs.items()]
    return [
        Measured(
            contrast,
            test,
            p_holm,
            claimed_effect(contrast, paper),
            [
                _scale(contrast) * np.subtract(*np.broadcast_arrays(a, b))
                for a, b in zip(ours, theirs, strict=True)
            ],
        )
        for (contrast, (ours, theirs)), test, p_holm in zip(
            pairs.items(), tests, holm([test.p_value for test in tests]), strict=True
        )
    ]


def _test(
    contrast: Contrast, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]
) -> Difference:
    *points, p_value = average_paired_difference(ours, theirs)
    return Difference(*(_scale(contrast) * point for point in points), p_value)


def _scale(contrast: Contrast) -> int:
    """A difference of two differences is twice the mean of the one and the negated other."""
    return 1 if contrast.than is None else 2


def is_run(contrast: Contrast, table: Table | None) -> bool:
    """Whether a run with this `table` has the pair, the systems and the benchmarks."""
    systems = {contrast.method, contrast.against}
    if contrast.teacher_wrong:
        systems.add("teacher")
    return (
        table is not None
        and contrast.pair in table.pairs
        and systems <= set(table.systems)
        and set(contrast.members) <= set(table.benchmarks)
    )


def verdict(measured: Sequence[Measured], planned: int) -> str:
    """The verdict on a claim of `planned` comparisons, as DEFINITION says."""
    if not measured:
        return NOT_RUN
    resolved = [one for one in measured if one.p_holm < SIGNIFICANCE]
    if any(one.test.difference < 0 for one in resolved):
        return OPPOSITE
    short_of_words = any(one.excludes(one.contrast.stated) for one in measured)
    if len(resolved) == len(measured) and not short_of_words:
        return REPRODUCED if len(measured) == planned else IN_PART
    return NOT_REPRODUCED if any(one.excludes(one.claimed) for one in measured) else NOT_RESOLVABLE
