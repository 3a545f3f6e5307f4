"""The theory stage: the paper's statements, decided by computation, as a table."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from askd.artifacts import write_text
from askd.reporting.markdown import grid
from askd.theory.example import Example, examples
from askd.theory.paper import (
    gradients,
    lemmas,
    losses,
    modes,
    optimum,
    quality,
    skewness,
    theorem,
    unbiased,
)
from askd.theory.statements import VERDICTS, Statement

COMMAND = "snakemake theory"
COLUMNS = ("id", "statement", "verdict", "numbers", "instead", "command")


def theory(output: Path) -> None:
    """Write the verdict on each statement as OUTPUT.{csv,md}."""
    # The tensors are tiny: threads would only wait for each other.
    torch.set_num_threads(1)
    three_tokens, two_tokens = examples(length=3), examples(length=2)
    table = statements(three_tokens, two_tokens)
    write_text(output.with_suffix(".csv"), _csv(table))
    write_text(output.with_suffix(".md"), _markdown(table, three_tokens, two_tokens))


def statements(longer: Sequence[Example], shorter: Sequence[Example]) -> list[Statement]:
    """All statements in the order of the paper; `shorter` examples serve where Hessians are."""
    return [
        skewness.proportional(),
        losses.eq_2(longer),
        modes.vanilla(),
        modes.skewed(),
        gradients.eq_5(longer),
        losses.eq_6(longer),
        losses.eq_7(longer),
        gradients.eq_8(longer),
        gradients.eq_9(longer),
        skewness.pulling_up(),
        skewness.pushing_down(longer),
        gradients.eq_10(longer),
        gradients.eq_11_logarithm(),
        gradients.eq_11_sum(longer),
        gradients.eq_11_product(longer),
        skewness.magnitudes(),
        skewness.skl_rises(longer),
        skewness.ratio_below_one(longer),
        skewness.srkl_rises(longer),
        skewness.srkl_range(),
        skewness.srkl_ends(longer),
        quality.slope(),
        quality.monotone(),
        quality.uniform(),
        quality.group_law(),
        quality.clipped(),
        optimum.negative_values(longer),
        optimum.tilt(longer),
        optimum.constant_limit(shorter),
        theorem.factor(shorter),
        theorem.premise(),
        theorem.monotone(shorter),
        theorem.step_size(),
        theorem.rate(shorter),
        theorem.one_loss(longer),
        theorem.uniform(shorter),
        optimum.adaptive_limit(longer),
        lemmas.lemma_1_forward(),
        lemmas.lemma_1_reverse(),
        lemmas.lemma_2(shorter),
        lemmas.lemma_3(shorter),
        quality.zero_advantage(),
        quality.bounded(),
        quality.direction(),
        *(unbiased.unbiased(longer, estimator) for estimator in unbiased.ESTIMATORS),
        unbiased.outcome(longer, "skl"),
        unbiased.outcome(longer, "srkl"),
        unbiased.ratio(longer),
    ]


def _csv(table: Sequence[Statement]) -> str:
    text = io.StringIO()
    rows = [(s.id, s.text, s.verdict, s.numbers, s.what_holds, COMMAND) for s in table]
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue()


def _markdown(
    table: Sequence[Statement], longer: Sequence[Example], shorter: Sequence[Example]
) -> str:
    count = Counter(statement.verdict for statement in table)
    space = longer[0].space
    notes = [
        f"Made by `{COMMAND}`. A verdict is a function of the numbers and their bounds.",
        "; ".join(f"{count[verdict]} {verdict}" for verdict in VERDICTS) + ".",
        f"Numbers are the worst over {len(longer)} random pairs of models on all "
        f"{space.sequence_count} sequences of {space.length} tokens over {space.vocabulary} "
        f"symbols ({shorter[0].space.length} tokens where Hessians are needed), in float64 and "
        "without sampling. alpha is 0.2, 0.5 and 0.9 where nothing is said; alpha(y) is Phi of the "
        f"standardised reward, which is 1 where the sum of the tokens is a multiple of "
        f"{space.vocabulary}, else 0.",
        "The table has one number of each reading: the first outside its bounds; if none is, the "
        "first. All are below it.",
        "Errors of gradients are relative. A variance is the trace of the covariance of one "
        "output's gradient, over the squared norm of the exact gradient, averaged over the pairs.",
        "Notation: p teacher, q student, alpha the weight of the student in the mixture m, "
        "c = p/q at a token.",
    ]
    overview = grid(
        ("Where", "Statement", "Verdict", "Number", "Command"),
        [
            (_escape(s.id), _escape(s.text), s.verdict, _escape(s.number), f"`{COMMAND}`")
            for s in table
        ],
    )
    details = "\n".join(_wrap(_detail(statement)) for statement in table)
    blocks = ["# Theory", "\n".join(map(_wrap, notes)), overview, "## Numbers", details]
    return "\n\n".join(blocks) + "\n"


def _detail(statement: Statement) -> str:
    text = f"**{_escape(statement.id)}** ({statement.verdict}). {_escape(statement.numbers)}."
    if statement.what_holds:
        text += f" *What holds:* {_escape(statement.what_holds)}."
    return text


def _wrap(text: str) -> str:
    """A list item of short lines, none of which begins with what Markdown takes for markup."""
    bound = re.sub(r" (?=([-+<>=*\\]+|\d+[.)]) )", "\N{NO-BREAK SPACE}", text)
    return textwrap.fill(
        bound,
        width=100,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\N{NO-BREAK SPACE}", " ")


def _escape(text: str) -> str:
    return text.translate({ord(character): f"\\{character}" for character in "\\|*<"})
