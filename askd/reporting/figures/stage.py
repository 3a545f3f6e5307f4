"""The figures stage: pictures, their numbers, facts and captions. Light: imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from askd.artifacts import write_text
from askd.config import Advantage
from askd.reporting.csv_text import csv_text
from askd.reporting.figures import draw
from askd.reporting.figures.captions import captions
from askd.reporting.figures.facts import facts
from askd.reporting.figures.outputs import read
from askd.reporting.figures.series import Series, figure1, figure2


def figures(data: Path, advantage: Advantage, beta: float, output: Path) -> None:
    """Write figure1 and figure2 as .svg, .png and .csv, facts.csv and captions.md below `output`.

    `data` is what figures-data wrote with the same `advantage` and `beta`.
    """
    outputs = read(data, advantage, beta)
    found = facts(outputs)
    for name, series, picture in (
        ("figure1", figure1(outputs), draw.figure1),
        ("figure2", figure2(outputs), draw.figure2),
    ):
        write_text(output / f"{name}.csv", _series_csv(series))
        picture(series, output / name)
    rows = [(f.name, _number(f.value), _number(f.ci_low), _number(f.ci_high), f.n) for f in found]
    write_text(output / "facts.csv", csv_text(("name", "value", "ci_low", "ci_high", "n"), rows))
    write_text(output / "captions.md", captions(outputs, advantage, found))


def _series_csv(series: Sequence[Series]) -> str:
    rows = []
    for item in series:
        blank = [None] * len(item.x)
        limits = [blank if limit is None else limit for limit in (item.low, item.high)]
        for numbers in zip(item.x, item.y, *limits, strict=True):
            rows.append((item.part, item.name, *map(_number, numbers)))
    return csv_text(("part", "series", "x", "y", "low", "high"), rows)


def _number(value: float | None) -> str:
    # Further digits depend on the order in which a library adds up.
    return "" if value is None else f"{value:.8g}"
