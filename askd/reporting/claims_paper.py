"""The paper's side of a claim: what it compares, its own numbers, and what these can tell."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from scipy.special import ndtri

from askd.config import nearest
from askd.config.claims import Claim
from askd.errors import AskdError
from askd.reporting.outcomes import UNTRAINED
from askd.reporting.paper_numbers import AVERAGE, read_paper_numbers


@dataclass(frozen=True)
class PaperTable:
    """A table as the paper prints it: its numbers (%) by (pair, method, benchmark)."""

    numbers: Mapping[tuple[str, str, str], float]

    def names(self, position: int) -> list[str]:
        """Pairs (0), methods (1) or benchmarks (2), in the order of the file, without averages."""
        names = dict.fromkeys(key[position] for key in self.numbers)
        return [name for name in names if name != AVERAGE]

    def members(self, benchmark: str) -> list[str]:
        """The benchmarks that a column is the unweighted mean of."""
        return self.names(2) if benchmark == AVERAGE else [benchmark]

    @property
    def digits(self) -> int:
        """Decimals that it is printed with."""
        return 1 if all(round(value, 1) == value for value in self.numbers.values()) else 2


@dataclass(frozen=True)
class Contrast:
    """One comparison of a claim: `method` is claimed to be above `against`, on `benchmark`.

    With `than`, it is claimed to be so by more than on that benchmark. `members` are the benchmarks
    whose answers enter.
    """

    method: str
    against: str
    table: str
    pair: str
    benchmark: str
    than: str | None
    members: tuple[str, ...]
    stated: float | None
    teacher_wrong: bool

    def __str__(self) -> str:
        more = f" more than {self.than}" if self.than is not None else ""
        items = ", where the teacher is wrong" if self.teacher_wrong else ""
        return f"{self.method} − {self.against}, {self.pair}, {self.benchmark}{more}{items}"


def read_tables(folder: Path, benchmarks: Collection[str]) -> dict[str, PaperTable]:
    """All tables of the paper in `folder`, by name."""
    tables = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            pairs = {row.get("pair", "") for row in csv.DictReader(file)}
        tables[path.stem] = PaperTable(read_paper_numbers(path, pairs, benchmarks))
    return tables


def contrasts(
    claim: Claim, tables: Mapping[str, PaperTable], methods: Collection[str], where: str
) -> list[Contrast]:
    """All comparisons of a claim, one by one; `methods` are those of the configuration.

    Raises:
        AskdError: a name that neither the paper's table nor the configuration knows.
    """

    def check(kind: str, names: Sequence[str], known: Collection[str]) -> None:
        for name in names:
            if name not in known:
                raise AskdError(
                    f"{where}, claim {claim.id}: unknown {kind} {name!r}; {nearest(name, known)}"
                )

    found = []
    for comparison in claim.comparisons:
        name = comparison.table or claim.table
        check("table", [name], tables)
        table = tables[name]
        check(
            "method",
            [comparison.method, *comparison.against],
            {*table.names(1), *methods, *UNTRAINED},
        )
        check("pair", comparison.pairs, table.names(0))
        check("benchmark", comparison.benchmarks, [*table.names(2), AVERAGE])
        than = comparison.than
        check("benchmark", [] if than is None else [than], table.names(2))
        others = [one for one in table.names(1) if one not in (comparison.method, *UNTRAINED)]
        found += [
            Contrast(
                comparison.method,
                other,
                name,
                pair,
                benchmark,
                than,
                tuple(table.members(benchmark) if than is None else (benchmark, than)),
                comparison.effect,
                comparison.items == "teacher-wrong",
            )
            for pair in comparison.pairs or table.names(0)
            for benchmark in comparison.benchmarks or table.names(2)
            for other in comparison.against or others
        ]
    return found


def printed(contrast: Contrast, tables: Mapping[str, PaperTable]) -> tuple[float, float] | None:
    """The paper's accuracies (%) of both systems, if it prints them for the same items.

    With `than`, the differences of the systems on either benchmark.
    """
    numbers = tables[contrast.table].numbers
    columns = [contrast.benchmark, *([contrast.than] if contrast.than is not None else [])]
    keys = [
        [(contrast.pair, name, column) for name in (contrast.method, contrast.against)]
        for column in columns
    ]
    if contrast.teacher_wrong or not all(key in numbers for pair in keys for key in pair):
        return None
    if contrast.than is None:
        ((ours, theirs),) = keys
        return numbers[ours], numbers[theirs]
    first, second = (numbers[ours] - numbers[theirs] for ours, theirs in keys)
    return first, second


def claimed_effect(contrast: Contrast, tables: Mapping[str, PaperTable]) -> float | None:
    """The claimed difference in points: as the words state it, else that of the paper's table.

    None where there is no number, or where the table's has not the sign of the words.
    """
    if contrast.stated is not None:
        return contrast.stated
    numbers = printed(contrast, tables)
    if numbers is None or numbers[0] <= numbers[1]:
        return None
    return numbers[0] - numbers[1]


def smallest_resolved(
    contrast: Contrast, tables: Mapping[str, PaperTable], items: Mapping[str, int]
) -> float | None:
    """The difference (points) that one run of each system resolves on the paper's items.

        1.96 sqrt(sum over benchmarks of (a (1 - a) + b (1 - b)) / n) / number of benchmarks

    for two independent proportions a and b, 95 %, two-sided: the paper reports one run of each
    system and no intervals. Two differences that are compared (`than`) are not divided. None where
    the paper prints no accuracies.
    """
    variance = 0.0
    numbers = tables[contrast.table].numbers
    for benchmark in contrast.members:
        for method in (contrast.method, contrast.against):
            percent = numbers.get((contrast.pair, method, benchmark))
            if percent is None or contrast.teacher_wrong:
                return None
            variance += percent / 100 * (1 - percent / 100) / items[benchmark]
    parts = len(contrast.members) if contrast.than is None else 1
    return float(100 * ndtri(0.975) * sqrt(variance) / parts)


def paper_text(found: Sequence[Contrast], tables: Mapping[str, PaperTable]) -> str:
    """The paper's numbers of the comparison with the smallest difference, and how many agree."""
    numbers = [
        (*pair, tables[contrast.table].digits)
        for contrast in found
        if (pair := printed(contrast, tables)) is not None
    ]
    if not numbers:
        return ""
    ours, theirs, digits = min(numbers, key=lambda pair: pair[0] - pair[1])
    difference = round(ours - theirs, digits) + 0.0  # adding zero turns -0.0 into 0.0
    text = f"{ours:.{digits}f} vs {theirs:.{digits}f} ({difference:+.{digits}f})".replace("-", "−")
    if len(numbers) == 1:
        return text
    agree = sum(ours > theirs for ours, theirs, _ in numbers)
    return f"{agree} of {len(numbers)} as claimed; least: {text}"


def resolves_text(
    found: Sequence[Contrast], tables: Mapping[str, PaperTable], items: Mapping[str, int]
) -> str:
    """Whether one run on the paper's items resolves its differences, and what it takes."""
    checked = []
    for contrast in found:
        numbers, needed = printed(contrast, tables), smallest_resolved(contrast, tables, items)
        if numbers is not None and needed is not None:
            checked.append((numbers[0] - numbers[1], needed))
    if not checked:
        return ""
    resolved = sum(difference >= needed for difference, needed in checked)
    answer = "yes" if resolved == len(checked) else "no"
    needs = f"needs {min(checked)[1]:.1f}"
    if len(checked) == 1:
        return f"{answer}: {needs}"
    return f"{answer}: {resolved} of {len(checked)}; the least {needs}"
