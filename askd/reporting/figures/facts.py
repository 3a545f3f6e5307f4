"""What the outputs say of the paper's claims about signs, order and monotonicity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askd.reporting.figures.bootstrap import (
    Estimate,
    distance_from_uniform,
    means,
    rank_correlation,
)
from askd.reporting.figures.outputs import Outputs, Side
from askd.reporting.figures.tables import LARGEST_MONOTONE_RATIO


@dataclass(frozen=True)
class Fact:
    """A number that describes n tokens or outputs, with its 95 % interval over prompts."""

    name: str
    value: float
    ci_low: float
    ci_high: float
    n: int


def facts(outputs: Outputs) -> list[Fact]:
    """Shares of tokens, shares of whole outputs, and mean log-ratios (nats) of whole outputs.

    Besides, the rank correlation of the size of lambda_SRKL with that of the log-ratio, and the
    distance of the skewness from a uniform one. A token with p = q is neither above nor below.
    What is said of correct student outputs is left out where none is correct.
    """
    tgo, sgo = outputs.sides["teacher"], outputs.sides["student"]
    tgo_ratio, sgo_ratio = tgo.log_p - tgo.log_q, sgo.log_p - sgo.log_q
    of_tgo, of_sgo = _of_outputs(tgo, tgo_ratio), _of_outputs(sgo, sgo_ratio)
    similarity = rank_correlation(np.abs(sgo.coefficients), np.abs(sgo_ratio), sgo.token_prompts)
    alphas, prompts = (
        np.concatenate([getattr(side, name) for side in (tgo, sgo)])
        for name in ("alphas", "prompts")
    )
    found = [
        _mean("lambda_skl_positive", tgo.coefficients > 0, tgo.token_prompts),
        _mean("lambda_srkl_negative", sgo.coefficients < 0, sgo.token_prompts),
        _mean("tgo_p_above_q", tgo_ratio > 0, tgo.token_prompts),
        _mean("sgo_p_below_q", sgo_ratio < 0, sgo.token_prompts),
        _mean("tgo_p_above_q_sequences", of_tgo > 0, tgo.prompts),
        _mean("sgo_p_below_q_sequences", of_sgo < 0, sgo.prompts),
        _mean("srkl_monotone", sgo_ratio <= np.log(LARGEST_MONOTONE_RATIO), sgo.token_prompts),
        _mean("tgo_log_ratio", of_tgo, tgo.prompts),
        _mean("sgo_log_ratio", of_sgo, sgo.prompts),
        _fact("srkl_size_and_dissimilarity", similarity, len(sgo_ratio)),
        _fact("skewness_from_uniform", distance_from_uniform(alphas, prompts), len(alphas)),
    ]
    right = sgo.correct
    if right.any():
        tokens = right[sgo.sequences]
        found += [
            _mean("correct_sgo_p_below_q_sequences", of_sgo[right] < 0, sgo.prompts[right]),
            _mean(
                "lambda_srkl_negative_correct",
                sgo.coefficients[tokens] < 0,
                sgo.token_prompts[tokens],
            ),
        ]
    return found


def _of_outputs(side: Side, log_ratio: NDArray) -> NDArray:
    """log p - log q of whole outputs, [N] -> [n]."""
    return np.bincount(side.sequences, weights=log_ratio)


def _mean(name: str, values: NDArray, prompts: NDArray[np.intp]) -> Fact:
    """The mean of `values` [n], which need not be of all prompts."""
    _, present = np.unique(prompts, return_inverse=True)
    return _fact(name, means(values[:, None], present), len(values))


def _fact(name: str, estimate: Estimate, count: int) -> Fact:
    return Fact(name, *(float(column[0]) for column in estimate), count)
