"""The budget stage: what a training step of each method used, counted in what was trained on."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, PositiveInt

from askd.artifacts import TRAINED_ON, read_table, write_text
from askd.config import SIDES, Strict
from askd.reporting.csv_text import csv_text
from askd.reporting.markdown import grid

HEADINGS = (
    "Method",
    "Steps",
    "Prompts",
    "Worked answers",
    "Teacher outputs",
    "Student outputs",
    "Tokens sampled",
    "Tokens trained on",
)
READING = (
    "Steps are the updates of a student; all else is of one step, the mean over the steps of all "
    "rounds and seeds. Counted in what was trained on (trained_on.parquet).",
    "Tokens sampled are those of teacher and student outputs, each time that a step uses them: "
    "teacher outputs are sampled once and shared by the methods of a pair. Student outputs of "
    "MiniLLM and Speculative KD are sampled by both models.",
    "Tokens trained on are those of worked answers and outputs in the loss; outputs that a method "
    "leaves out (κ = 0 and no other term) are sampled and not trained on.",
)
_COUNTED = pa.schema(
    [
        TRAINED_ON.field(name)
        for name in ("step", "side", "prompt_id", "sample_id", "response", "kappa", "outcome")
    ],
    metadata=TRAINED_ON.metadata,
)


class Trained(Strict):
    """A method on a pair."""

    pair: str = Field(description="Name of the pair.")
    method: str = Field(description="Name of the method.")


class BudgetSettings(Strict):
    """What the table reads of the configuration."""

    pairs: dict[str, str] = Field(description="Labels of pairs by name.")
    methods: dict[str, str] = Field(description="Labels of methods by name.")
    trained: list[Trained] = Field(min_length=1, description="What was trained.")
    seeds: PositiveInt = Field(description="Number of seeds; they are 0, 1, ...")
    rounds: PositiveInt = Field(description="Rounds of a training.")
    results: str = Field(description="Folder of the scale's results.")


@dataclass(frozen=True)
class Budget:
    """What a method used on a pair: `steps` of a training, all else per step.

    `reference`, `tgo` and `sgo` are numbers of answers; tokens are those of responses.
    """

    pair: str
    method: str
    steps: float
    prompts: float
    reference: float
    tgo: float
    sgo: float
    tokens_sampled: float
    tokens_trained_on: float


def budget(settings: BudgetSettings, output: Path) -> None:
    """Write what each training used as OUTPUT.{csv,md}.

    Raises:
        AskdError: what a training trained on is missing or malformed.
    """
    rows = [
        _budget(
            run,
            [
                Path(settings.results)
                / f"{run.pair}/{run.method}/seed{seed}/round{round_}/trained_on.parquet"
                for seed in range(settings.seeds)
                for round_ in range(1, settings.rounds + 1)
            ],
            settings.seeds,
        )
        for run in settings.trained
    ]
    blocks = ["# What a training step uses"]
    for pair in dict.fromkeys(row.pair for row in rows):
        own = [(settings.methods[row.method], *_texts(row)[2:]) for row in rows if row.pair == pair]
        blocks += [f"## {settings.pairs[pair]}", grid(HEADINGS, own)]
    blocks.append("\n".join(map(_bullet, READING)))
    write_text(
        output.with_suffix(".csv"),
        csv_text((field.name for field in fields(Budget)), map(_texts, rows)),
    )
    write_text(output.with_suffix(".md"), "\n\n".join(blocks) + "\n")


def _budget(run: Trained, paths: Sequence[Path], seeds: int) -> Budget:
    steps = prompts = sampled = trained_on = 0
    answers = dict.fromkeys(SIDES, 0)
    for path in paths:
        table = read_table(path, _COUNTED)
        lengths, side = pc.list_value_length(table["response"]), table["side"]
        counts = pc.or_(pc.not_equal(table["kappa"], 0.0), pc.not_equal(table["outcome"], 0.0))
        steps += pc.count_distinct(table["step"]).as_py()
        prompts += len(table.group_by(["step", "prompt_id"]).aggregate([]))
        for name in SIDES:
            answers[name] += pc.sum(pc.equal(side, name)).as_py()
        sampled += _sum(lengths, pc.not_equal(side, "reference"))
        trained_on += _sum(lengths, counts)
    return Budget(
        run.pair,
        run.method,
        steps / seeds,
        *(number / steps for number in (prompts, *answers.values(), sampled, trained_on)),
    )


def _sum(lengths: pa.ChunkedArray, kept: pa.ChunkedArray) -> int:
    return pc.sum(lengths.filter(kept), min_count=0).as_py()


def _texts(row: Budget) -> list[str]:
    return [value if isinstance(value, str) else _number(value) for value in astuple(row)]


def _number(value: float) -> str:
    """With one decimal where there is one."""
    return f"{value:.1f}".removesuffix(".0")


def _bullet(note: str) -> str:
    return textwrap.fill(
        note, 100, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
    )
