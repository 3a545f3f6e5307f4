"""A comparison of one method with another on one pair, and how such rows are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from askd.reporting.outcomes import METRICS

COMMAND = "snakemake contrast"
BETTER, WORSE, NOT_RESOLVED, NOT_RUN = "better", "worse", "not resolved", "not run"
SYSTEMATIC = "systematic errors"
"""What a teacher is said to have whose errors the worked answers of its pair do not have."""


@dataclass(frozen=True)
class Row:
    """One comparison on one pair; differences are points, of a question that was not run empty.

    `teacher` is SYSTEMATIC or empty, and `oracle` the method of the two, if one, that trains on
    worked answers which lack such errors of the teacher.
    """

    kind: str
    question: str
    words: str
    method: str
    against: str
    pair: str = ""
    table: str = ""
    metric: str = ""
    difference: str = ""
    ci_low: str = ""
    ci_high: str = ""
    p_holm: str = ""
    verdict: str = NOT_RUN
    teacher: str = ""
    oracle: str = ""
    command: str = COMMAND


def counts(rows: Sequence[Row]) -> str:
    """How often each verdict fell, such as `better on 1 and worse on 2 of 3 pairs (greedy)`."""
    metrics: dict[str, list[str]] = {}
    for metric in METRICS:
        own = [row.verdict for row in rows if row.metric == metric]
        if own:
            count = Counter(own)
            parts = [f"{name} on {count[name]}" for name in (BETTER, WORSE) if count[name]]
            text = " and ".join(parts) or f"neither {BETTER} nor {WORSE} on any"
            pairs = "pair" if len(own) == 1 else "pairs"
            metrics.setdefault(f"{text} of {len(own)} {pairs}", []).append(metric)
    return ", ".join(f"{text} ({' and '.join(names)})" for text, names in metrics.items())


def signed(number: float) -> str:
    """With its sign and two decimals."""
    return f"{number:+.2f}".replace("-", "−")
