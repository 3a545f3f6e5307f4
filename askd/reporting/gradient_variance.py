"""The table of the noise of gradients. Light: imports no torch."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from askd.artifacts import write_text
from askd.evaluation.gradient_noise import Estimate, Noise
from askd.reporting.markdown import grid

SIDES = {"tgo": "TGO, SKL", "sgo": "SGO, SRKL"}
HEADINGS = {
    "nsr": "NSR",
    "nsr_ratio": "NSR / that of full",
    "trace": "tr Cov",
    "cosine": "cosine, one",
    "mean_cosine": "cosine, mean",
}
READING = (
    "NSR is tr Cov(g) / |E g|² of the gradient g of one minibatch, with |E g|² estimated without "
    "bias as |mean|² - tr Cov / M. Its ratio to that of the full vocabulary says how many times as "
    "many samples the estimator needs for a mean gradient of the same relative error; at 1, "
    "summing over the vocabulary gains nothing.",
    "The ratio of two tr Cov says the same only where both estimators have the same expectation. "
    "That may fail where the skewness is projected from the quality of the whole output, and "
    "reward to go is the gradient of another divergence, that of whole sequences.",
    "Cosine, one: mean cosine of the gradient of one minibatch with the expected full-vocabulary "
    "gradient, as the other minibatches show it. Cosine, mean: that of the two expectations. Both "
    "are corrected for the noise of the means, so that chance may bring them above 1; clearly "
    "below 1, the second says that the two are gradients of different things.",
    "In brackets: 95 % intervals by a percentile bootstrap over minibatches.",
)


class Cell(NamedTuple):
    """What was measured of one estimator: its side, skewness, name and noise."""

    side: str
    skewness: str
    estimator: str
    noise: Noise


class Measured(NamedTuple):
    """What was measured at one student.

    Attributes:
        student: which one.
        accuracy: fraction of its outputs that are correct.
        log_ratio: mean of log q - log p over the tokens of its outputs, in nats: its distance from
            the teacher.
        cells: one for each estimator.
    """

    student: str
    accuracy: float
    log_ratio: float
    cells: list[Cell]


def write(measured: Sequence[Measured], batches: int, responses: int, output: Path) -> None:
    """Write OUTPUT.{csv,md} from `batches` minibatches of so many responses per side."""
    write_text(output.with_suffix(".csv"), _csv(measured))
    write_text(output.with_suffix(".md"), _markdown(measured, batches, responses))


def _csv(measured: Sequence[Measured]) -> str:
    names = [
        name if not end else f"{name}_{end}" for name in HEADINGS for end in ("", "low", "high")
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "accuracy", "log_ratio", "side", "skewness", "estimator", *names])
    for student in measured:
        for cell in student.cells:
            numbers = [number for name in HEADINGS for number in getattr(cell.noise, name)]
            writer.writerow(
                [
                    student.student,
                    f"{student.accuracy:.4f}",
                    f"{student.log_ratio:.4f}",
                    *cell[:3],
                    *(f"{number:.5g}" for number in numbers),
                ]
            )
    return text.getvalue()


def _markdown(measured: Sequence[Measured], batches: int, responses: int) -> str:
    blocks = ["# Gradient variance of the estimators"]
    blocks.append(
        textwrap.fill(
            f"From {batches} independent minibatches of {responses} responses per side.", width=100
        )
    )
    for student in measured:
        blocks.append(f"## Student: {student.student}")
        blocks.append(
            textwrap.fill(
                f"{100 * student.accuracy:.1f} % of its outputs are correct; log q - log p is "
                f"{student.log_ratio:.3g} nats per token of them.",
                width=100,
            )
        )
        rows = [
            [
                SIDES[cell.side],
                cell.skewness,
                cell.estimator,
                *(_entry(getattr(cell.noise, name)) for name in HEADINGS),
            ]
            for cell in student.cells
        ]
        blocks.append(grid(["outputs", "skewness", "estimator", *HEADINGS.values()], rows))
    blocks += [
        textwrap.fill(sentence, width=100, initial_indent="- ", subsequent_indent="  ")
        for sentence in READING
    ]
    return "\n\n".join(blocks) + "\n"


def _entry(estimate: Estimate) -> str:
    value, low, high = map(_number, estimate)
    return f"{value} [{low}, {high}]"


def _number(value: float) -> str:
    if math.isnan(value):
        return "undefined"
    return f"{value:.3g}".replace("inf", "∞")
