"""The numbers that the paper itself prints, kept in config/paper_tables/*.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from askd.config import nearest
from askd.errors import AskdError

AVERAGE = "average"
"""Name of the unweighted mean over the benchmarks, or over the pairs, of a table."""

_COLUMNS = ("pair", "method", "benchmark", "value")


def read_paper_numbers(
    path: Path, pairs: Iterable[str], benchmarks: Iterable[str]
) -> dict[tuple[str, str, str], float]:
    """The paper's numbers (percentages) by (pair, method, benchmark).

    The paper may have methods that the table does not.

    Raises:
        AskdError: the file is missing or lacks a column; a row names an unknown pair or benchmark,
            has no number, or occurs twice.
    """
    if not path.is_file():
        raise AskdError(f"{path}: no such file; it holds the paper's own numbers of a table.")
    known = {"pair": {*pairs, AVERAGE}, "benchmark": {*benchmarks, AVERAGE}}
    numbers: dict[tuple[str, str, str], float] = {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise AskdError(
                f"{path}: no column {missing[0]!r}; expected the columns {', '.join(_COLUMNS)}."
            )
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            for column, names in known.items():
                if row[column] not in names:
                    raise AskdError(
                        f"{where}: unknown {column} {row[column]!r}; "
                        f"{nearest(row[column] or '', names)}"
                    )
            key = (row["pair"], row["method"], row["benchmark"])
            if key in numbers:
                raise AskdError(f"{where}: {', '.join(key)} occurs twice; keep one.")
            try:
                numbers[key] = float(row["value"] or "")
            except ValueError as error:
                raise AskdError(f"{where}: {row['value']!r} is not a number.") from error
    return numbers
