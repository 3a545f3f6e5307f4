"""The table of the noise of gradients. Light: imports no torch."""

from __future__ import annotations

import csv
import math
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, PositiveInt

from askd.artifacts import write_text
from askd.config import Strict
from askd.errors import AskdError
from askd.evaluation.gradient_noise import Noise
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid

SIDES = {"tgo": "TGO, SKL", "sgo": "SGO, SRKL"}
HEADINGS = {
    "nsr": "NSR",
    "nsr_ratio": "NSR / that of full",
    "trace": "tr Cov",
    "cosine": "cosine, one",
    "mean_cosine": "cosine, mean",
}
NUMBERS = [name if not end else f"{name}_{end}" for name in HEADINGS for end in ("", "low", "high")]
COLUMNS = ["pair", "student", "accuracy", "log_ratio", "side", "skewness", "estimator", *NUMBERS]
READING = (
    "NSR is tr Cov(g) / |E g|² of the gradient g of one minibatch, with |E g|² estimated without "
    "bias as |mean|² - tr Cov / M. Its ratio to that of the full vocabulary says how many times as "
    "many samples the estimator needs for a mean gradient of the same relative error; at 1, "
    "summing over the vocabulary gains nothing.",
    "The ratio of two tr Cov says the same only where both estimators have the same expectation. "
    "That may fail where the skewness is projected from the quality of the whole output, and "
    "reward to go is the gradient of another divergence, that of whole sequences. So is a sequence "
    "mixture, and the printed product (Eqs. 10 and 11) is the gradient of none.",
    "Vanilla is no skew: forward KL on teacher outputs (alpha = 1), reverse KL on student outputs "
    "(alpha = 0). Fixed is alpha = 0.9 and 0.1, as in DistiLLM-2; projected is Eq. 12, kappa "
    "Eq. 13. Outcome is ASKD+: the worth of the whole answer, with a leave-one-out baseline.",
    "Undefined: some minibatch has no gradient. Eq. 11 as printed has the logarithm of a negative "
    "number at tokens with c > 1 + 1/alpha.",
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
        student: which one, `untrained` or `trained`.
        accuracy: fraction of its outputs that are correct.
        log_ratio: mean of log q - log p over the tokens of its outputs, in nats: its distance from
            the teacher.
        cells: one for each estimator.
    """

    student: str
    accuracy: float
    log_ratio: float
    cells: list[Cell]


class VarianceTableSettings(Strict):
    """What the table says of the configuration."""

    pairs: dict[str, str] = Field(min_length=1, description="Labels by names of pairs.")
    near: str = Field(description="Label of the method that brought the student near its teacher.")
    batches: PositiveInt = Field(description="Independent minibatches.")
    responses: dict[str, PositiveInt] = Field(
        description="Responses per side of a minibatch, by names of pairs."
    )


def as_csv(pair: str, measured: Sequence[Measured]) -> str:
    """What was measured on a pair, a row for each estimator and student."""
    rows = []
    for student in measured:
        for cell in student.cells:
            numbers = [number for name in HEADINGS for number in getattr(cell.noise, name)]
            rows.append(
                [
                    pair,
                    student.student,
                    f"{student.accuracy:.4f}",
                    f"{student.log_ratio:.4f}",
                    *cell[:3],
                    *(f"{number:.5g}" for number in numbers),
                ]
            )
    return csv_text(COLUMNS, rows)


def write(settings: VarianceTableSettings, data: Sequence[Path], output: Path) -> None:
    """Write OUTPUT.{csv,md} from the files of all pairs.

    Raises:
        AskdError: a file is not what `variance-data` writes, or of no pair of the settings.
    """
    rows = [row for path in data for row in _read(path, settings.pairs)]
    write_text(output.with_suffix(".csv"), csv_text(COLUMNS, (row.values() for row in rows)))
    write_text(output.with_suffix(".md"), _markdown(settings, rows))


def which_student(student: str, near: str) -> str:
    """In words, where `near` is the method that trained the one that is trained."""
    return f"trained by {near}" if student == "trained" else student


def _read(path: Path, pairs: Iterable[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or list(rows[0]) != COLUMNS or None in rows[-1].values():
        raise AskdError(f"{path}: not what `variance-data` writes; make it again.")
    for row in rows:
        if row["pair"] not in pairs:
            raise AskdError(f"{path}: of the pair {row['pair']!r}, which the table does not have.")
    return rows


def _markdown(settings: VarianceTableSettings, rows: Sequence[dict[str, str]]) -> str:
    blocks = ["# Gradient variance of the estimators"]
    for pair, label in settings.pairs.items():
        own = [row for row in rows if row["pair"] == pair]
        for student in dict.fromkeys(row["student"] for row in own):
            blocks += _student(settings, label, [row for row in own if row["student"] == student])
    blocks.append(
        "\n".join(
            textwrap.fill(sentence, width=100, initial_indent="- ", subsequent_indent="  ")
            for sentence in READING
        )
    )
    return "\n\n".join(blocks) + "\n"


def _student(
    settings: VarianceTableSettings, label: str, rows: Sequence[dict[str, str]]
) -> list[str]:
    """The heading, description and grid of one student."""
    first = rows[0]
    description = (
        f"{100 * float(first['accuracy']):.1f} % of its outputs are correct; log q - log p is "
        f"{float(first['log_ratio']):.3g} nats per token of them. From {settings.batches} "
        f"independent minibatches of {settings.responses[first['pair']]} responses per side."
    )
    lines = [
        [
            SIDES[row["side"]],
            row["skewness"],
            row["estimator"],
            *(_entry(*(row[f"{name}{end}"] for end in ("", "_low", "_high"))) for name in HEADINGS),
        ]
        for row in rows
    ]
    return [
        f"## {label}: student {which_student(first['student'], settings.near)}",
        textwrap.fill(description, width=100),
        grid(["outputs", "skewness", "estimator", *HEADINGS.values()], lines),
    ]


def _entry(value: str, low: str, high: str) -> str:
    if math.isnan(float(value)) and math.isinf(float(low)) and math.isinf(float(high)):
        return "undefined"
    return f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value: str) -> str:
    if math.isnan(float(value)):
        return "undefined"
    return f"{float(value):.3g}".replace("inf", "∞")
