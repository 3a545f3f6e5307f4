"""One verdict of ours beside one of another benchmark tool, and what a set of them says."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from askd.errors import AskdError

UNEXPLAINED = "no known reason"


class Comparison(NamedTuple):
    """What both sides say of one item: `verdict` names what is compared, such as a filter.

    `reason` says why they differ, and is empty where they do not.
    """

    benchmark: str
    verdict: str
    item: str
    ours: str
    theirs: str
    reason: str

    @property
    def equal(self) -> bool:
        """Whether both sides say the same."""
        return self.ours == self.theirs


class Count(NamedTuple):
    """Numbers of items of a benchmark and verdict; of those that passed, None where outputs are
    compared."""

    benchmark: str
    verdict: str
    items: int
    passed_ours: int | None
    passed_theirs: int | None
    equal: int
    differing: int
    unexplained: int


def compared(
    benchmark: str, verdict: str, item: str, ours: str | bool, theirs: str | bool, reason: str
) -> Comparison:
    """A comparison of two verdicts (`passed` or `failed`) or outputs (texts).

    `reason` is used where they differ; an empty one then becomes `UNEXPLAINED`.
    """
    ours, theirs = (
        value if isinstance(value, str) else "passed" if value else "failed"
        for value in (ours, theirs)
    )
    reason = "" if ours == theirs else reason or UNEXPLAINED
    return Comparison(benchmark, verdict, item, ours, theirs, reason)


def counts(comparisons: Iterable[Comparison]) -> list[Count]:
    """A count for each benchmark and verdict, in the order of their first items."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault((comparison.benchmark, comparison.verdict), []).append(comparison)
    return [Count(*names, *_numbers(members)) for names, members in groups.items()]


def check(path: Path) -> None:
    """Refuse a table of comparisons (CSV) in which a difference has no known reason.

    Raises:
        AskdError: how many there are, and where to read them; or the table is not there.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            unexplained = [row for row in csv.DictReader(file) if row["reason"] == UNEXPLAINED]
    except OSError as error:
        raise AskdError(f"{path}: cannot be read ({error}).") from error
    if unexplained:
        raise AskdError(
            f"differences with {UNEXPLAINED}: {len(unexplained)}, the first on "
            f"{unexplained[0]['item']!r} ({unexplained[0]['benchmark']}, "
            f"{unexplained[0]['verdict']}); read {path} and {path.with_suffix('.md')}."
        )


def _numbers(members: Sequence[Comparison]) -> tuple[int | None, ...]:
    differing = [member for member in members if not member.equal]
    unexplained = [member for member in differing if member.reason == UNEXPLAINED]
    passed = (
        sum(verdict == "passed" for verdict in verdicts)
        for verdicts in zip(*((member.ours, member.theirs) for member in members), strict=True)
    )
    return (
        len(members),
        *((None, None) if members[0].verdict == "output" else passed),
        len(members) - len(differing),
        len(differing),
        len(unexplained),
    )
