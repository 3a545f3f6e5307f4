"""Where one method helps and where it hurts, by the kind of errors that the teachers make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from askd.reporting.contrast_rows import BETTER, WORSE, Row, signed
from askd.reporting.outcomes import METRICS


def by_teacher(rows: Sequence[Row]) -> Iterator[str]:
    """Sentences on one comparison, on pairs whose teacher errs systematically and on the others.

    None where all pairs of `rows` are of one kind.
    """
    misled = [row for row in rows if row.teacher]
    others = [row for row in rows if not row.teacher]
    if not misled or not others:
        return
    method = rows[0].method
    yield f"Where the teacher errs systematically, {method} {_effects(misled)}."
    for oracle in dict.fromkeys(row.oracle for row in misled if row.oracle):
        yield f"There {oracle} has an oracle, worked answers without these errors."
    yield f"Where the teacher does not, {method} {_effects(others)}."


def _effects(rows: Sequence[Row]) -> str:
    """For each metric what the verdicts say, the pairs of each, and the mean over all pairs."""
    texts = []
    for metric in METRICS:
        own = [row for row in rows if row.metric == metric]
        if not own:
            continue
        numbers = []
        for verdict in (BETTER, WORSE):
            pairs = [row.pair for row in own if row.verdict == verdict]
            if pairs:
                numbers.append(f"{verdict} on {', '.join(pairs)}; ")
        mean = signed(fmean(float(row.difference) for row in own))
        count = "1 pair" if len(own) == 1 else f"the mean of {len(own)} pairs"
        texts.append(
            f"{_effect(own)} by {metric} answers ({''.join(numbers)}{mean} points in {count})"
        )
    return ", ".join(texts)


def _effect(rows: Sequence[Row]) -> str:
    found = {row.verdict for row in rows}
    if {BETTER, WORSE} <= found:
        return "helps in part and hurts in part"
    if BETTER in found:
        return "helps"
    return "hurts" if WORSE in found else "is not seen to help or to hurt"
