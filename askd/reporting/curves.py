"""The curves stage: what methods logged while they trained, as a figure of small multiples.

Equal logs give equal bytes. Colours are those of Okabe and Ito (2008,
https://jfly.uni-koeln.de/color) that stand out from white; line styles tell the methods apart
without them.
"""

from __future__ import annotations

import json
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field, PositiveInt

from askd.artifacts import atomic_path, write_text
from askd.config import Strict
from askd.errors import AskdError

# By the name in the log; a panel for each that some method logged.
PANELS = {
    "sgo_reward": "mean reward of student outputs",
    "sgo_kept": "student outputs with κ = 1 (share)",
    "sgo_tokens": "length of student outputs (tokens)",
    "grad_norm": "gradient norm, before clipping",
    "reference_loss": "loss on worked answers",
    "tgo_loss": "loss on teacher outputs",
    "sgo_loss": "loss on student outputs",
    "tgo_coefficient": "coefficient κλ, teacher outputs",
    "sgo_coefficient": "coefficient κλ, student outputs",
}
COLUMNS = 3
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Dashes in multiples of the line's width. The lengths of the two cycles share no divisor, so that
# 28 methods look different.
_DASHES = ((0, ()), (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 8,
    "legend.title_fontsize": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.1,
    "legend.frameon": False,
    "legend.handlelength": 3.0,
    "svg.hashsalt": "askd",
}


class CurvesSettings(Strict):
    """What the figure reads of the configuration."""

    pair: str = Field(description="Name of the pair.")
    label: str = Field(description="What the picture calls it.")
    methods: dict[str, str] = Field(min_length=1, description="Labels by names of methods.")
    seeds: PositiveInt = Field(description="Number of seeds; they are 0, 1, ...")
    rounds: PositiveInt = Field(description="Rounds of a training.")
    results: str = Field(description="Folder of the scale's results.")


class Curve(NamedTuple):
    """One line of a panel: mean over seeds, and one standard deviation of them to either side."""

    panel: str
    method: str
    seeds: int
    step: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def curves(settings: CurvesSettings, output: Path) -> None:
    """Draw the curves as OUTPUT.{svg,png}, and write what is drawn as OUTPUT.csv.

    Raises:
        AskdError: a log is missing or torn, or the logs of a method's seeds differ in length.
    """
    drawn = []
    for method in settings.methods:
        logs = [_log(settings, method, seed) for seed in range(settings.seeds)]
        drawn += _curves(method, logs)
    # A pair's name may have a dot in it.
    write_text(output.with_name(f"{output.name}.csv"), _csv(drawn))
    _draw(drawn, settings, output)


def _log(settings: CurvesSettings, method: str, seed: int) -> pd.DataFrame:
    """What a training logged at each step of all its rounds."""
    run = Path(settings.results) / settings.pair / method / f"seed{seed}"
    steps: list[dict] = []
    for round_ in range(1, settings.rounds + 1):
        path = run / f"round{round_}" / "metrics.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            steps += [json.loads(line) for line in lines]
        except (OSError, ValueError) as error:
            raise AskdError(f"{path}: no log of a training ({error}); train again.") from error
    return pd.DataFrame(steps)


def _curves(method: str, logs: list[pd.DataFrame]) -> list[Curve]:
    """The curves of a method from the logs of its seeds."""
    lengths = sorted({len(log) for log in logs})
    if len(lengths) > 1:
        raise AskdError(
            f"{method}: some seeds trained for {lengths[0]} steps and some for {lengths[-1]}; "
            "train them with the same configuration."
        )
    curves = []
    for panel in PANELS:
        if any(panel not in log for log in logs):
            continue
        values = np.array([log[panel] for log in logs], dtype=float)
        mean = values.mean(0)
        spread = values.std(0, ddof=1) if len(logs) > 1 else np.zeros_like(mean)
        step = np.arange(1, lengths[0] + 1)
        curves.append(Curve(panel, method, len(logs), step, mean, mean - spread, mean + spread))
    return curves


def _csv(drawn: list[Curve]) -> str:
    tables = [pd.DataFrame(curve._asdict()) for curve in drawn]
    return pd.concat(tables).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _draw(drawn: list[Curve], settings: CurvesSettings, output: Path) -> None:
    labels = settings.methods
    panels = [panel for panel in PANELS if any(curve.panel == panel for curve in drawn)]
    styles = dict(zip(labels, zip(cycle(_COLOURS), cycle(_DASHES), strict=False), strict=False))
    rows = -(-len(panels) // COLUMNS)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 1.75 * rows + 0.75), layout="constrained")
        figure.suptitle(settings.label, fontsize=9)
        axes = figure.subplots(rows, COLUMNS, squeeze=False).flat
        for axis, panel in zip(axes, panels, strict=False):
            _panel(axis, [curve for curve in drawn if curve.panel == panel], styles)
            axis.set_title(PANELS[panel], loc="left")
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        for axis in axes[max(0, len(panels) - COLUMNS) : len(panels)]:
            axis.set_xlabel("optimizer step")
        handles = [
            axes[0].plot([], [], color=colour, linestyle=dashes, label=labels[method])[0]
            for method, (colour, dashes) in styles.items()
        ]
        figure.legend(
            handles=handles,
            title=_note(drawn),
            loc="outside lower center",
            ncols=min(len(labels), COLUMNS),
        )
        # Neither the date nor the version of the program may change the bytes.
        for ending, metadata in (
            ("svg", {"Date": None, "Creator": None}),
            ("png", {"Software": None}),
        ):
            with atomic_path(output.with_name(f"{output.name}.{ending}")) as temporary:
                figure.savefig(temporary, format=ending, dpi=200, metadata=metadata)


def _note(drawn: list[Curve]) -> str:
    """What a reader of the picture has to know."""
    seeds = drawn[0].seeds
    band = f"Mean of {seeds} seeds, and a standard deviation. " if seeds > 1 else "One seed. "
    return band + "The value of a loss on sampled tokens means nothing; its gradient does."


def _panel(axes: Axes, drawn: list[Curve], styles: dict[str, tuple]) -> None:
    for curve in drawn:
        colour, dashes = styles[curve.method]
        axes.fill_between(curve.step, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(curve.step, curve.mean, color=colour, linestyle=dashes)
