"""What the figures-data stage wrote, read, checked and laid out as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from askd.artifacts import keys, read_table
from askd.config import Advantage
from askd.errors import AskdError
from askd.reporting.figures.tables import ALPHAS, CURVES, RATIOS, SEQUENCES, SIDES, TOKENS
from askd.rewards.project import project

_AGAIN = "run figures-data again."


@dataclass(frozen=True)
class Side:
    """The outputs of one model: n sequences with N tokens, those of a sequence in order."""

    prompts: NDArray[np.intp]  # [n], number of the prompt
    advantages: NDArray[np.float64]  # [n]
    alphas: NDArray[np.float64]  # [n]
    correct: NDArray[np.bool_]  # [n]
    sequences: NDArray[np.intp]  # [N], number of the sequence
    positions: NDArray[np.intp]  # [N], from 1
    log_p: NDArray[np.float64]  # [N], teacher, nats
    log_q: NDArray[np.float64]  # [N], student, nats
    coefficients: NDArray[np.float64]  # [N], lambda at the projected alpha
    on_grid: NDArray[np.float64]  # [N, len(ALPHAS)], lambda at ALPHAS

    @property
    def token_prompts(self) -> NDArray[np.intp]:
        """Number of the prompt of each token, [N]."""
        return self.prompts[self.sequences]


@dataclass(frozen=True)
class Outputs:
    """Both sides, and lambda of single tokens from the formula."""

    sides: dict[str, Side]
    curves: dict[tuple[str, float], tuple[NDArray[np.float64], NDArray[np.float64]]]
    beta: float

    @property
    def prompts(self) -> int:
        """Number of prompts that were answered."""
        return 1 + int(self.sides["teacher"].prompts.max())

    @property
    def samples(self) -> int:
        """Outputs of one model to a prompt."""
        return len(self.sides["teacher"].prompts) // self.prompts


def read(folder: Path, advantage: Advantage, beta: float) -> Outputs:
    """The outputs in `folder`.

    Raises:
        AskdError: a table is missing, torn or does not belong to the others, or the rewards were
            normalised or projected in another way, or beta is not positive.
    """
    if not (beta > 0 and np.isfinite(beta)):
        raise AskdError(f"--beta: must be positive and finite, got {beta:g}.")
    paths = {name: folder / f"{name}.parquet" for name in ("tokens", "sequences", "curves")}
    tokens = _sorted(read_table(paths["tokens"], TOKENS), paths["tokens"])
    sequences = _sorted(read_table(paths["sequences"], SEQUENCES), paths["sequences"])
    curves = read_table(paths["curves"], CURVES)
    sides, tables, answered = {}, {}, []
    for side in SIDES:
        of_side = pc.field("side") == side
        outputs = sequences.filter(of_side)
        if not outputs.num_rows:
            raise AskdError(f"{paths['sequences']}: no outputs of the {side}; {_AGAIN}")
        tables[side] = outputs
        sides[side] = _side(tokens.filter(of_side), outputs, paths)
        answered.append(set(outputs.column("prompt_id").to_pylist()))
    if answered[0] != answered[1]:
        raise AskdError(f"{paths['sequences']}: the models answered different prompts; {_AGAIN}")
    if len(answered[0]) < 2:
        raise AskdError(f"{paths['sequences']}: one prompt only; intervals need at least two.")
    _check_projection(tables, advantage, beta, paths["sequences"])
    return Outputs(sides, _curves(curves, paths["curves"]), beta)


def _check_projection(
    tables: dict[str, pa.Table], advantage: Advantage, beta: float, path: Path
) -> None:
    """The captions say how advantage and skewness were made; so they must have been."""
    for side, other in zip(SIDES, reversed(SIDES), strict=True):
        pooled = tables[other] if advantage.sides == "joint" else None
        expected = project(tables[side], advantage, beta, pooled, path)
        for column, made in (
            (
                "advantage",
                f"not of rewards normalised by {advantage.normalization}, sides {advantage.sides}",
            ),
            ("alpha", f"not Phi(beta A) with beta {beta:g}"),
        ):
            # The sums behind a mean depend on the order of the rows in their last digits.
            values, own = (table.column(column).to_numpy() for table in (expected, tables[side]))
            if not np.allclose(values, own, rtol=0, atol=1e-9):
                raise AskdError(
                    f"{path}: column {column!r} is {made}; give the settings that figures-data had."
                )


def _sorted(table: pa.Table, path: Path) -> pa.Table:
    """`table` by its key, if all its numbers are finite."""
    for name in table.column_names:
        values = table.column(name).combine_chunks()
        if pa.types.is_list(values.type):
            values = values.flatten()
        if pa.types.is_floating(values.type) and not np.isfinite(values.to_numpy()).all():
            raise AskdError(f"{path}: column {name!r} has a value that is not finite; {_AGAIN}")
    key = table.schema.metadata[b"key"].decode().split(",")
    return table.sort_by([(name, "ascending") for name in key])


def _side(tokens: pa.Table, sequences: pa.Table, paths: dict[str, Path]) -> Side:
    lengths = sequences.column("tokens").to_numpy()
    expected = [
        (*key, position)
        for key, length in zip(
            keys(sequences, ("side", "prompt_id", "sample_id")), lengths.tolist(), strict=True
        )
        for position in range(1, length + 1)
    ]
    if keys(tokens, ("side", "prompt_id", "sample_id", "position")) != expected:
        raise AskdError(
            f"{paths['tokens']} and {paths['sequences'].name}: not the same outputs; {_AGAIN}"
        )
    on_grid = tokens.column("coefficients").combine_chunks()
    if set(pc.list_value_length(on_grid).to_pylist()) != {len(ALPHAS)}:
        raise AskdError(
            f"{paths['tokens']}: column 'coefficients' needs {len(ALPHAS)} values in each row; "
            f"{_AGAIN}"
        )
    _, prompts = np.unique(sequences.column("prompt_id").to_pylist(), return_inverse=True)
    return Side(
        prompts=prompts,
        advantages=sequences.column("advantage").to_numpy(),
        alphas=sequences.column("alpha").to_numpy(),
        correct=sequences.column("correct").to_numpy(),
        sequences=np.repeat(np.arange(len(lengths)), lengths),
        positions=tokens.column("position").to_numpy().astype(np.intp),
        log_p=tokens.column("teacher_logprob").to_numpy().astype(np.float64),
        log_q=tokens.column("student_logprob").to_numpy().astype(np.float64),
        coefficients=tokens.column("coefficient").to_numpy(),
        on_grid=on_grid.flatten().to_numpy().reshape(-1, len(ALPHAS)),
    )


def _curves(
    table: pa.Table, path: Path
) -> dict[tuple[str, float], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    table = _sorted(table, path)
    curves = {}
    for side in SIDES:
        for ratio in RATIOS:
            curve = table.filter((pc.field("side") == side) & (pc.field("ratio") == ratio))
            if not curve.num_rows:
                raise AskdError(f"{path}: no curve of the {side} side for c = {ratio:g}; {_AGAIN}")
            curves[side, ratio] = (
                curve.column("alpha").to_numpy(),
                curve.column("coefficient").to_numpy(),
            )
    return curves
