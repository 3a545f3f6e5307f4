"""How tables are called and ordered on pages that show several."""

from __future__ import annotations

import re
from collections.abc import Iterable


def table_heading(name: str, title: str) -> str:
    """`Table 2: ...` for table2, `Ablation: ...` for ablation-x, the title alone for others."""
    if number := re.fullmatch(r"table(\d+)", name):
        return f"Table {number[1]}: {title}"
    return f"Ablation: {title}" if name.startswith("ablation-") else title


def in_order(names: Iterable[str]) -> list[str]:
    """Names of tables: those of the paper by number, then the others as they are written.

    A configuration that is laid over another names its own tables first.
    """

    def rank(name: str) -> tuple[bool, int]:
        number = re.fullmatch(r"table(\d+)", name)
        return (number is None, int(number[1]) if number else 0)

    return sorted(names, key=rank)
