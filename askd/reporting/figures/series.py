"""The numbers behind each panel: every line, point and bar that is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from askd.reporting.figures.bootstrap import means
from askd.reporting.figures.outputs import Outputs, Side
from askd.reporting.figures.tables import ALPHAS, LARGEST_MONOTONE_RATIO, RATIOS, SIDES
from askd.skewness import project

DIVERGENCES = {"teacher": "SKL", "student": "SRKL"}
OUTPUTS = {"teacher": "TGO", "student": "SGO"}

# An odd number of bins in [0, 1], so that the skewness 0.5 of a group of equal rewards lies within
# one; bins of lambda are as wide.
SKEWNESS_BINS = np.linspace(0, 1, 26)
COEFFICIENT_BIN = 0.04
_TAIL = 0.005  # share of the tokens on either side that the range of lambda may leave out
ADVANTAGE_BIN = 0.25
_MOST_BINS = 50  # wide ranges get wider bins: more bars than this cannot be told apart in print
_LARGEST_ADVANTAGE = 3.0  # the range is at least this, so that N(0, 1) is seen whole


@dataclass(frozen=True)
class Series:
    """One line, set of points or histogram (x: centres of bins), with limits where it has some."""

    part: str
    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


def figure1(outputs: Outputs) -> list[Series]:
    """Figure 1: (a) lambda against alpha, (b) its distribution, (c) cumulative probabilities."""
    series = []
    for side in SIDES:
        series += [
            Series("1a", curve_name(side, ratio), *outputs.curves[side, ratio]) for ratio in RATIOS
        ]
        of_side = outputs.sides[side]
        series.append(
            Series("1a", mean_name(side), ALPHAS, *means(of_side.on_grid, of_side.token_prompts))
        )
    series.append(_minima(outputs))
    series += [_coefficients(side, outputs.sides[side]) for side in SIDES]
    for side in SIDES:
        series += _cumulative(side, outputs.sides[side])
    return series


def figure2(outputs: Outputs) -> list[Series]:
    """Figure 2: (a) advantages, (b) the mapping, (c) the skewness that they are projected to."""
    largest = max(_LARGEST_ADVANTAGE, *(abs(s.advantages).max() for s in outputs.sides.values()))
    width = _bin_width(ADVANTAGE_BIN, 2 * largest)
    # Bins lie around multiples of their width, so that 0 is the centre of one.
    count = int(np.ceil(largest / width))
    edges = (np.arange(-count, count + 2) - 0.5) * width
    grid = np.linspace(edges[0], edges[-1], 201)
    series = [Series("2b", "Phi(beta A)", grid, project(grid, outputs.beta))]
    for side in SIDES:
        of_side = outputs.sides[side]
        advantages, first = np.unique(of_side.advantages, return_index=True)
        series += [
            _histogram("2a", OUTPUTS[side], of_side.advantages, edges, of_side.prompts),
            Series("2b", OUTPUTS[side], advantages, of_side.alphas[first]),
            _histogram("2c", OUTPUTS[side], of_side.alphas, SKEWNESS_BINS, of_side.prompts),
        ]
    normal = Series("2a", "N(0,1)", _centres(edges), np.diff(ndtr(edges)))
    uniform = Series("2c", "U(0,1)", _centres(SKEWNESS_BINS), np.diff(SKEWNESS_BINS))
    return [*series, normal, uniform]


def curve_name(side: str, ratio: float) -> str:
    """Name of a curve from the formula."""
    return f"lambda_{DIVERGENCES[side]}, c = {ratio:g}"


def mean_name(side: str) -> str:
    """Name of the mean of lambda over the tokens of a side."""
    return f"mean lambda_{DIVERGENCES[side]} on {OUTPUTS[side]}"


def coefficients_name(side: str) -> str:
    """Name of the distribution of lambda on a side."""
    return f"lambda_{DIVERGENCES[side]} on {OUTPUTS[side]}"


def cumulative_name(model: str, side: str) -> str:
    """Name of the cumulative log-probability of a side under p or q."""
    return f"log {model} on {OUTPUTS[side]}"


def _minima(outputs: Outputs) -> Series:
    """Where lambda_SRKL turns: to the left of its minimum it falls with alpha."""
    points = []
    for ratio in RATIOS:
        if ratio > LARGEST_MONOTONE_RATIO:
            alphas, values = outputs.curves["student", ratio]
            lowest = values.argmin()
            points.append((alphas[lowest], values[lowest]))
    x, y = np.array(points).T
    return Series("1a", "minimum of lambda_SRKL", x, y)


def _coefficients(side: str, of_side: Side) -> Series:
    """The distribution of lambda over tokens; its outermost bins hold what lies beyond them."""
    values = of_side.coefficients
    if side == "teacher":  # lambda_SKL lies in [0, 1]
        edges = SKEWNESS_BINS
    else:
        low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
        width = _bin_width(COEFFICIENT_BIN, high - low)
        # 0 is in the range, as the sign is what matters.
        first, last = min(np.floor(low / width), -1), max(np.ceil(high / width), 1)
        edges = np.arange(first, last + 1) * width
    return _histogram("1b", coefficients_name(side), values, edges, of_side.token_prompts)


def _cumulative(side: str, of_side: Side) -> list[Series]:
    """Mean log-probability (nats) of the first t tokens of an output, or of all if it has fewer."""
    count, longest = len(of_side.prompts), of_side.positions.max()
    series = []
    for model, logprobs in (("p", of_side.log_p), ("q", of_side.log_q)):
        steps = np.zeros((count, longest))
        steps[of_side.sequences, of_side.positions - 1] = logprobs
        estimate = means(steps.cumsum(axis=1), of_side.prompts)
        name = cumulative_name(model, side)
        series.append(Series("1c", name, np.arange(1, longest + 1), *estimate))
    return series


def _histogram(
    part: str, name: str, values: NDArray, edges: NDArray, prompts: NDArray[np.intp]
) -> Series:
    """Share of `values` in each bin, with limits over prompts."""
    number = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    inside = number[:, None] == np.arange(len(edges) - 1)
    return Series(part, name, _centres(edges), *means(inside, prompts))


def _bin_width(smallest: float, extent: float) -> float:
    """The smallest multiple of `smallest` that divides `extent` into no more than _MOST_BINS."""
    return smallest * max(1, np.ceil(extent / (_MOST_BINS * smallest)))


def _centres(edges: NDArray) -> NDArray:
    return (edges[:-1] + edges[1:]) / 2
