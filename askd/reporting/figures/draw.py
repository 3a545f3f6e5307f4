"""The pictures. The only module of this package that imports matplotlib; equal series, equal bytes.

No pyplot, hence no window and no display: PNG is drawn by Agg.

Colours are those of Okabe and Ito (2008, https://jfly.uni-koeln.de/color); what a colour says, a
line style, a marker or a hatch says again. Sizes are those in print: text has 8 points or more in
a figure as wide as a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from askd.artifacts import atomic_path
from askd.reporting.figures.series import (
    OUTPUTS,
    Series,
    coefficients_name,
    cumulative_name,
    curve_name,
    mean_name,
)
from askd.reporting.figures.tables import LARGEST_MONOTONE_RATIO, RATIOS, SIDES

_WIDTH = 7.0  # inches: the text of a page with two columns
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the bytes are the same everywhere
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.borderaxespad": 0.3,
    "svg.fonttype": "path",  # outlines: the same in every viewer
    "svg.hashsalt": "askd",
}
_BLACK, _BLUE, _VERMILION, _GREEN = "#000000", "#0072B2", "#D55E00", "#009E73"
_GREY = "#666666"
_SIDE = {"teacher": _BLUE, "student": _VERMILION}
_HATCH = {"teacher": "//////", "student": "......"}
_MARKER = {"teacher": "o", "student": "s"}
_MATH = {"teacher": r"$\lambda_{\mathrm{SKL}}$", "student": r"$\lambda_{\mathrm{SRKL}}$"}
_MODEL = {"p": (_GREEN, "-"), "q": ("#CC79A7", "--")}
# Where the curves are well apart, between the symbols of the means.
_LABELLED_AT = {"teacher": 0.55, "student": 0.15}
_RATIO_STYLES = ((0, (1, 1.2)), "-.", "-", "--", (0, (7, 2, 1, 2, 1, 2)))


def figure1(series: Sequence[Series], path: Path) -> None:
    """Draw Figure 1 as PATH.{svg,png}: teacher outputs above, student outputs below."""
    found = {(item.part, item.name): item for item in series}
    with _style():
        figure = Figure(figsize=(_WIDTH, 4.5), layout="constrained")
        axes = figure.subplots(2, 3)
        for side, row in zip(SIDES, axes, strict=True):
            _skewness_panel(row[0], found, side)
            _distribution_panel(row[1], found["1b", coefficients_name(side)], side)
            _cumulative_panel(row[2], found, side)
        for letter, panel in zip("abc", axes[0], strict=True):
            _letter(panel, letter)
        _save(figure, path)


def figure2(series: Sequence[Series], path: Path) -> None:
    """Draw Figure 2 as PATH.{svg,png}: advantages, the mapping, skewness."""
    found = {(item.part, item.name): item for item in series}
    with _style():
        figure = Figure(figsize=(_WIDTH, 2.7), layout="constrained")
        axes = figure.subplots(1, 3)
        _masses(axes[0], found, "2a", "N(0,1)", r"$\mathcal{N}(0, 1)$")
        axes[0].set(xlabel=r"advantage $A$", ylabel="share of outputs")
        _mapping_panel(axes[1], found)
        _masses(axes[2], found, "2c", "U(0,1)", r"$\mathcal{U}(0, 1)$")
        axes[2].set(xlabel=r"skewness $\alpha$", ylabel="share of outputs", xlim=(0, 1))
        for letter, panel in zip("abc", axes, strict=True):
            _letter(panel, letter)
        _save(figure, path)


def _skewness_panel(axes: Axes, found: dict, side: str) -> None:
    for ratio, style in zip(RATIOS, _RATIO_STYLES, strict=True):
        curve = found["1a", curve_name(side, ratio)]
        monotone = side == "teacher" or ratio <= LARGEST_MONOTONE_RATIO
        axes.plot(curve.x, curve.y, color=_GREY if monotone else _BLACK, linestyle=style)
        axes.annotate(
            f"{ratio:g}" if ratio != RATIOS[-1] else f"$c$ = {ratio:g}",
            (_LABELLED_AT[side], np.interp(_LABELLED_AT[side], curve.x, curve.y)),
            ha="center",
            va="center",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )
    mean = found["1a", mean_name(side)]
    axes.errorbar(
        mean.x,
        mean.y,
        yerr=(mean.y - mean.low, mean.high - mean.y),
        color=_SIDE[side],
        marker=_MARKER[side],
        markersize=3.5,
        elinewidth=1.0,
        capsize=2.0,
        linestyle="none",
        zorder=3,
        label=f"mean on {OUTPUTS[side]}",
    )
    if side == "student":
        minima = found["1a", "minimum of lambda_SRKL"]
        axes.plot(
            minima.x,
            minima.y,
            linestyle="none",
            marker="D",
            markersize=5,
            markerfacecolor="white",
            color=_BLACK,
            zorder=4,
            label=f"minimum, $c$ > {LARGEST_MONOTONE_RATIO:g}",
        )
        axes.axhline(0, color=_BLACK, linewidth=0.4)
    axes.set(xlabel=r"skewness $\alpha$", ylabel=_MATH[side], xlim=(-0.03, 1.03))
    axes.legend(loc="upper left" if side == "teacher" else "lower right")


def _distribution_panel(axes: Axes, histogram: Series, side: str) -> None:
    _bars(axes, histogram, side)
    width = histogram.x[1] - histogram.x[0]
    axes.set_xlim(histogram.x[0] - width, histogram.x[-1] + width)
    axes.axvline(0, color=_BLACK, linewidth=0.8, linestyle=":")
    axes.set(xlabel=_MATH[side], ylabel=f"share of tokens of {OUTPUTS[side]}")


def _cumulative_panel(axes: Axes, found: dict, side: str) -> None:
    for model, (colour, style) in _MODEL.items():
        curve = found["1c", cumulative_name(model, side)]
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(
            curve.x, curve.y, color=colour, linestyle=style, label=f"${model}$ on {OUTPUTS[side]}"
        )
    axes.set(xlabel="response position $t$", ylabel="cum. log-probability (nats)")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.legend(loc="lower left")


def _masses(axes: Axes, found: dict, part: str, reference: str, label: str) -> None:
    for side in SIDES:
        _bars(axes, found[part, OUTPUTS[side]], side, beside=True)
    drawn = found[part, reference]
    axes.step(drawn.x, drawn.y, where="mid", color=_BLACK, linewidth=1.0, label=label)
    # Above the panel, as bars may stand anywhere within it, and narrow enough for the letter.
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=2, columnspacing=1.0, handlelength=1.6
    )


def _mapping_panel(axes: Axes, found: dict) -> None:
    curve = found["2b", "Phi(beta A)"]
    axes.plot(curve.x, curve.y, color=_GREY, label=r"$\Phi(\beta A)$")
    for side in SIDES:
        points = found["2b", OUTPUTS[side]]
        axes.plot(
            points.x,
            points.y,
            linestyle="none",
            marker=_MARKER[side],
            markersize=4 if side == "teacher" else 7,
            markerfacecolor="none",
            color=_SIDE[side],
            label=OUTPUTS[side],
        )
    axes.set(xlabel=r"advantage $A$", ylabel=r"skewness $\alpha$")
    axes.legend(loc="upper left")


def _bars(axes: Axes, histogram: Series, side: str, beside: bool = False) -> None:
    """The bars of a histogram; `beside` those of the other side, in one half of each bin."""
    width = histogram.x[1] - histogram.x[0]
    shift = {"teacher": -width / 4, "student": width / 4}[side] if beside else 0
    axes.bar(
        histogram.x + shift,
        histogram.y,
        width=width / 2 if beside else width,
        facecolor="none",
        edgecolor=_SIDE[side],
        hatch=_HATCH[side],
        linewidth=0.8,
        label=OUTPUTS[side],
    )


def _letter(axes: Axes, letter: str) -> None:
    axes.set_title(f"({letter})", loc="left", fontweight="bold")


@contextmanager
def _style() -> Iterator[None]:
    """Our style alone: a matplotlibrc of the user's changes nothing."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def _save(figure: Figure, path: Path) -> None:
    # Neither the date nor the version of the program may change the bytes.
    for ending, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        with atomic_path(path.with_suffix(f".{ending}")) as temporary:
            figure.savefig(temporary, format=ending, dpi=300, metadata=metadata)
