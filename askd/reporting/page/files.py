"""The files of other stages, as sections read them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from askd.errors import AskdError
from askd.reporting.page.blocks import Section
from askd.reporting.page.settings import PageSettings


def root(settings: PageSettings) -> Path:
    """The folder of the scale's results."""
    return Path(settings.results)


def from_csv(path: Path, section: Callable[[list[dict[str, str]]], Section]) -> Section | None:
    """What `section` makes of the rows of a CSV file; None where there is no file.

    Raises:
        AskdError: the file has no rows, or other columns than its stage writes.
    """
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise AskdError(f"{path}: no rows; make the table again.")
    try:
        return section(rows)
    except (KeyError, TypeError, ValueError) as error:
        raise AskdError(f"{path}: not the table that its stage writes ({error!r}).") from error
