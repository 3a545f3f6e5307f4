"""Verdicts of a judge on a pair of answers, and what many of them say about the judge.

A judge sees two answers and says which is better. It is asked in both orders, since judges favour a
place: an answer that wins in both gets 1, one that loses in both 0, and all else 0.5.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["first", "second", "tie"]

# What each verdict is worth for the answer that stands first.
WORTH = {"first": 1.0, "tie": 0.5, "second": 0.0}
INCONSISTENT, INVALID = "inconsistent", "invalid"
REASONS = frozenset({"win", "tie", "loss", INCONSISTENT, INVALID})
_MARKER = re.compile(r"\[\[([ABC])\]\]")
_MEANING: dict[str, Verdict] = {"A": "first", "B": "second", "C": "tie"}


def read_verdict(reply: str) -> Verdict | None:
    """The verdict of a judge's reply: its last [[A]], [[B]] or [[C]] (a tie); None without any.

    The last one counts because a judge may name others while it weighs the answers.
    """
    found = _MARKER.findall(reply)
    return _MEANING[found[-1]] if found else None


@dataclass(frozen=True)
class PairVerdict:
    """What a judge said of an answer and its baseline; None where no verdict could be read.

    Args:
        answer_first: the verdict where the answer stood first.
        baseline_first: the verdict where the baseline stood first.
    """

    answer_first: Verdict | None
    baseline_first: Verdict | None

    @property
    def is_valid(self) -> bool:
        """Whether both verdicts could be read."""
        return self.answer_first is not None and self.baseline_first is not None

    @property
    def is_consistent(self) -> bool:
        """Whether both verdicts could be read and agree."""
        return self.is_valid and WORTH[self.answer_first] == 1 - WORTH[self.baseline_first]

    @property
    def score(self) -> float:
        """How the answer fares: 1, 0.5 or 0; without two verdicts that agree, 0.5."""
        return WORTH[self.answer_first] if self.is_consistent else 0.5

    @property
    def reason(self) -> str:
        """The outcome in a word, one of `REASONS`."""
        if not self.is_valid:
            return INVALID
        if not self.is_consistent:
            return INCONSISTENT
        return {1.0: "win", 0.5: "tie", 0.0: "loss"}[self.score]


def rates(pairs: Sequence[PairVerdict]) -> dict[str, int | float | None]:
    """What `pairs` (at least one) say about the judge.

    `inconsistent` is the share of valid pairs whose two verdicts disagree; `invalid` the share of
    verdicts that could not be read; `first_position` the share of the first answer among verdicts
    that are no ties: 0.5 for a judge that favours no place, since every pair is shown in both
    orders. A share of nothing is None.
    """
    verdicts = [verdict for pair in pairs for verdict in (pair.answer_first, pair.baseline_first)]
    counts = Counter(verdicts)
    valid = sum(pair.is_valid for pair in pairs)
    inconsistent = sum(pair.is_valid and not pair.is_consistent for pair in pairs)
    decided = counts["first"] + counts["second"]
    return {
        "pairs": len(pairs),
        "inconsistent": inconsistent / valid if valid else None,
        "invalid": counts[None] / len(verdicts),
        "first_position": counts["first"] / decided if decided else None,
    }
