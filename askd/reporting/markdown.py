"""The Markdown of a table, which is to be read as plain text too: its columns line up."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any


def markdown(content: dict[str, Any]) -> str:
    """The table as Markdown, with one grid for each pair, since Markdown has no column groups.

    `content` is what `askd.reporting.render` hands to the templates of the other formats.
    """
    blocks = [f"# {content['title']}"]
    for metric in content["metrics"]:
        blocks.append(f"## {metric['title']}")
        for pair, label in content["pairs"].items():
            rows = [
                [
                    row["system"],
                    *(
                        f"{entry['mean']} {entry['interval']} {entry['paper']}".rstrip()
                        for entry in row["entries"][pair]
                    ),
                ]
                for row in metric["rows"]
            ]
            blocks += [f"### {label}", grid(["System", *content["columns"]], rows)]
    blocks += [_bullets(content["notes"]), "## Paired tests"]
    for pair, label in content["pairs"].items():
        rows = [
            [
                test["metric"],
                test["against"],
                f"{test['difference']} {test['interval']}",
                test["p_value"],
                test["p_holm"],
                test["verdict"],
            ]
            for test in content["tests"][pair]
        ]
        header = ["Answers", "Against", "Difference", "p", "p (Holm)", "Verdict"]
        blocks += [f"### {label}", grid(header, rows)]
    blocks.append(_bullets(content["comparison_notes"]))
    return "\n\n".join(blocks) + "\n"


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """One grid, whose columns line up."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| "
        + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def _bullets(notes: Iterable[str]) -> str:
    return "\n".join(
        textwrap.fill(
            note,
            width=100,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for note in notes
    )
