"""The sweep-table stage: every try of the sweep as a grid, the chosen ones marked.

A try is a learning rate with the method as it is (alternative 0), or with one of the other values
of its main hyper-parameter (alternatives 1, 2, ...).
"""

from __future__ import annotations

import csv
import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveInt

from askd.artifacts import write_text
from askd.config import PairSections, Strict, Sweep
from askd.errors import AskdError
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid

_SPACES = str.maketrans("_.", "  ")


class SweepTableSettings(Strict):
    """What the table reads of the configuration."""

    pairs: dict[str, str] = Field(description="Labels of pairs by name.")
    methods: dict[str, str] = Field(description="Labels of methods by name.")
    sweep: Sweep = Field(description="The grid, and the seeds and benchmarks that chose.")
    seeds: PositiveInt = Field(description="Seeds of the tables; they are 0, 1, ...")
    rounds: PositiveInt = Field(description="Rounds of a training.")
    sections: dict[str, PairSections] = Field(
        description="Steps of a round, prompts of a step and samples of a prompt, by pair."
    )


@dataclass(frozen=True)
class Tried:
    """A try; `greedy` and `sampled` are mean rewards on validation prompts in %."""

    pair: str
    method: str
    alternative: int
    options: str
    learning_rate: float
    greedy: float
    sampled: float
    chosen: bool


def sweep_table(settings: SweepTableSettings, tries: Sequence[Path], output: Path) -> None:
    """Write the tries that the tune stage wrote, a file for each pair, as OUTPUT.{csv,md}.

    Raises:
        AskdError: a file is missing or malformed.
    """
    rows = [row for path in tries for row in _of_tune(path)]
    blocks = ["# Choice of learning rates and main hyper-parameters"]
    for pair in dict.fromkeys(row.pair for row in rows):
        header, lines = pair_grid([row for row in rows if row.pair == pair], settings.methods)
        blocks += [
            f"## {settings.pairs.get(pair, pair)}",
            grid(header, [[_cell(entry) for entry in line] for line in lines]),
        ]
    blocks += [
        textwrap.fill(
            note, 100, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        for note in notes(
            settings.sweep,
            settings.seeds,
            settings.rounds,
            {
                settings.pairs.get(pair, pair): settings.sections[pair]
                for pair in dict.fromkeys(row.pair for row in rows)
            },
        )
        + edge_notes(rows, settings.pairs, settings.methods)
    ]
    write_text(
        output.with_suffix(".csv"),
        csv_text((field.name for field in fields(Tried)), map(astuple, rows)),
    )
    write_text(output.with_suffix(".md"), "\n\n".join(blocks) + "\n")


def read_sweep(path: Path) -> list[Tried]:
    """The tries of a CSV file that this stage wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return [
                Tried(
                    row["pair"],
                    row["method"],
                    int(row["alternative"]),
                    row["options"],
                    float(row["learning_rate"]),
                    float(row["greedy"]),
                    float(row["sampled"]),
                    row["chosen"] == "True",
                )
                for row in csv.DictReader(file)
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise AskdError(f"{path}: no table of a sweep ({error!r}); make it again.") from error


def pair_grid(
    rows: Sequence[Tried], labels: Mapping[str, str]
) -> tuple[list[str], list[list[str | Tried | None]]]:
    """Header and lines of one pair: methods, by alternative and learning rate.

    A figure is given as its try, and None stands where a method has no such alternative.
    """
    rates = sorted({row.learning_rate for row in rows})
    alternatives = range(1 + max(row.alternative for row in rows))
    found = {(row.method, row.alternative, row.learning_rate): row for row in rows}
    written = {(row.method, row.alternative): row.options for row in rows}
    header = ["Method", *(f"{rate:g}" for rate in rates)]
    for _ in alternatives[1:]:
        header += ["Alternative", *(f"{rate:g} (alt.)" for rate in rates)]
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        line: list[str | Tried | None] = [labels.get(method, method)]
        for alternative in alternatives:
            if alternative:
                line.append(written.get((method, alternative), ""))
            line += [found.get((method, alternative, rate)) for rate in rates]
        lines.append(line)
    return header, lines


def notes(sweep: Sweep, seeds: int, rounds: int, sections: Mapping[str, PairSections]) -> list[str]:
    """Sentences on how the settings were chosen; `sections` are those of pairs by label."""
    budgets = grouped((_budget(own, rounds), label) for label, own in sections.items())
    tried = ", ".join(map(str, sweep.seeds))
    reported = "0" if seeds == 1 else f"0 to {seeds - 1}"
    most = max(len(sweep.tries(method)) for method in sweep.methods)
    fewest = min(len(sweep.tries(method)) for method in sweep.methods)
    return [
        "Mean reward in % of the sampled answers to validation prompts of the pair's task, each "
        "benchmark and seed weighing the same; the columns are peak learning rates. The highest of "
        "a method, of equals the first, is chosen, and in bold.",
        f"Tries ran with seed {tried}, apart from those of the tables ({reported}). Test prompts "
        "took no part.",
        f"Every method was tried at the same {len(sweep.learning_rates)} learning rates; one that "
        "the sweep has another value of a main hyper-parameter for, also with that alternative"
        + (f" ({fewest} to {most} tries of a method)." if most > fewest else "."),
        "All tries of a pair had the same budget: "
        + "; ".join(
            budget if len(budgets) == 1 else f"{budget} ({', '.join(labels)})"
            for budget, labels in budgets.items()
        )
        + ".",
    ]


def edge_notes(
    rows: Sequence[Tried], pairs: Mapping[str, str], methods: Mapping[str, str]
) -> list[str]:
    """A sentence that counts and names the choices at an edge of the tried learning rates.

    `pairs` and `methods` are labels by name. None where no choice lies there; a pair with one
    learning rate has no edge.
    """
    rates: dict[str, set[float]] = {}
    for row in rows:
        rates.setdefault(row.pair, set()).add(row.learning_rate)
    chosen = [row for row in rows if row.chosen]
    found: dict[tuple[str, str], list[str]] = {}
    for row in chosen:
        tried = rates[row.pair]
        for side, edge in (("lowest", min(tried)), ("highest", max(tried))):
            if row.learning_rate == edge and len(tried) > 1:
                place = f"the {side}, {edge:g}", pairs.get(row.pair, row.pair)
                found.setdefault(place, []).append(methods.get(row.method, row.method))
    if not found:
        return []
    places = "; ".join(f"{edge} ({pair}): {', '.join(own)}" for (edge, pair), own in found.items())
    return [
        f"{sum(map(len, found.values()))} of {len(chosen)} choices lie at an edge of the learning "
        f"rates that were tried, so that a rate beyond it might do better. At {places}."
    ]


def grouped(said: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Names by what is said of them, in the order in which it is first said."""
    groups: dict[str, list[str]] = {}
    for words, name in said:
        groups.setdefault(words, []).append(name)
    return groups


def options_text(options: Mapping[str, Any], prefix: str = "") -> str:
    """Nested or dotted options in words: {"tgo": {"beta": 0.9}} is `tgo beta 0.9`."""
    parts = []
    for key, value in options.items():
        name = f"{prefix}{key.translate(_SPACES)}"
        if isinstance(value, dict):
            parts.append(options_text(value, f"{name} "))
        elif value is True:
            parts.append(name)
        else:
            written = f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
            parts.append(f"{name} {written}")
    return ", ".join(parts)


def _budget(sections: PairSections, rounds: int) -> str:
    training = sections.training
    return (
        f"{rounds * training.steps_per_round} updates of the student, "
        f"{training.prompts_per_step} prompts an update, and "
        f"{sections.rollout.samples_per_prompt} samples of a prompt"
    )


def _of_tune(path: Path) -> list[Tried]:
    rows, alternatives = [], {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                method, options = (row["pair"], row["method"]), row["options"]
                # In the order in which the tune stage tried them; the method as it is comes first.
                known = alternatives.setdefault(method, ["{}"])
                if options not in known:
                    known.append(options)
                rows.append(
                    Tried(
                        *method,
                        known.index(options),
                        options_text(json.loads(options)),
                        float(row["learning_rate"]),
                        float(row["greedy"]),
                        float(row["sampled"]),
                        row["chosen"] == "True",
                    )
                )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise AskdError(f"{path}: no tries of a sweep ({error}); run `tune` again.") from error
    if not rows:
        raise AskdError(f"{path}: no tries of a sweep; run `tune` again.")
    return rows


def _cell(entry: str | Tried | None) -> str:
    if entry is None:
        return ""
    if isinstance(entry, str):
        return entry
    return f"**{entry.sampled:.1f}**" if entry.chosen else f"{entry.sampled:.1f}"
