"""What differs within a table beside its methods: tokens trained on, and whether teachers lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from askd.config import Method
from askd.reporting.entries import Cell
from askd.reporting.outcomes import METRICS
from askd.reporting.paper_numbers import AVERAGE


def budget_note(methods: Iterable[Method]) -> str:
    """What updates of these methods have in common, and what each of them trains on."""
    kinds: dict[str, list[str]] = {}
    leaves_out = False
    for method in methods:
        kinds.setdefault(_trained_on(method), []).append(method.label)
        leaves_out |= any(getattr(term, "clip_correct", False) for term in method.terms.values())
    parts = ", ".join(
        kind if len(kinds) == 1 else f"{kind} ({', '.join(labels)})"
        for kind, labels in kinds.items()
    )
    return (
        "All methods of a pair take the same number of updates of the student, on the same "
        f"prompts, but not on equally many tokens. An update trains, for each prompt, on {parts}"
        + (", less the correct ones where a method leaves these out" if leaves_out else "")
        + "; budget.csv has the tokens of each method."
    )


def teacher_notes(
    pairs: Sequence[str],
    labels: Mapping[str, str],
    cells: Mapping[tuple[str, str, str, str], Cell],
) -> list[str]:
    """A sentence on each of `pairs` whose teacher scores below its student, by AVG.

    `cells` are by (pair, system, column, metric); a table without either model has none to tell.
    """
    notes = []
    for pair in pairs:
        below = []
        for metric in METRICS:
            both = [cells.get((pair, name, AVERAGE, metric)) for name in ("teacher", "student")]
            if None not in both and both[0].mean < both[1].mean:
                numbers = " and ".join(f"{cell.mean:.1f}" for cell in both)
                below.append(f"{metric} answers ({numbers})")
        if below:
            notes.append(
                f"{labels[pair]}: in this pair the teacher scores below the student before "
                f"distillation, on AVG. of the {' and of the '.join(below)}."
            )
    return notes


def _trained_on(method: Method) -> str:
    sides = sum(side in method.terms for side in ("tgo", "sgo"))
    parts = [
        "one worked answer" if method.reference is not None else "",
        ("", "the samples of one side", "the samples of both sides")[sides],
    ]
    return " and ".join(filter(None, parts))
