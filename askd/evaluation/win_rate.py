"""The win rate against a baseline, plain and controlled for length.

Judges favour long answers. The length-controlled win rate asks what the win rate would be if both
answers were of the same length. With y the outcome of a pair (1, 0.5 or 0) and D the length of the
answer minus that of the baseline, in characters, a logistic regression

    P(answer wins) = sigmoid(theta + phi * tanh(D / std(D)))

is fitted by maximum likelihood, with the penalty phi^2 / 2 that keeps phi finite where length
decides every pair; the length-controlled win rate is sigmoid(theta).

This is the model of AlpacaEval 2 (Dubois, Galambosi, Liang and Hashimoto, 2024, arXiv:2404.04475)
without its term for the difficulty of an instruction: that one is estimated from the answers of
many models, and here there is one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, ndtri

from askd.evaluation.stats import Interval, interval


def win_rates(
    scores: Sequence[float],
    lengths: Sequence[int],
    baseline_lengths: Sequence[int],
    prompt_ids: Sequence[str],
) -> dict[str, dict | float | None]:
    """Win rate and length-controlled win rate with 95 % intervals, and mean lengths in characters.

    One value each per answer; every prompt has the same number of answers. Intervals are over
    prompts, whose answers are not independent. Rates are None for a single prompt.

    Raises:
        ValueError: a score is outside 0 to 1.
    """
    rates: dict[str, dict | float | None] = {
        "win_rate": None,
        "length_controlled": None,
        "mean_length": float(np.mean(lengths)),
        "mean_baseline_length": float(np.mean(baseline_lengths)),
    }
    _, prompts = np.unique(np.asarray(prompt_ids), return_inverse=True)
    y = np.asarray(scores, dtype=float)
    if prompts.max() == 0:
        return rates
    outcomes = np.bincount(prompts, weights=y) / np.bincount(prompts)
    plain = interval(outcomes[None])
    difference = np.asarray(lengths, dtype=float) - np.asarray(baseline_lengths)
    controlled = length_controlled(y, difference, prompts) or plain
    return rates | {"win_rate": plain._asdict(), "length_controlled": controlled._asdict()}


def length_controlled(
    y: np.ndarray, difference: np.ndarray, prompts: np.ndarray, level: float = 0.95
) -> Interval | None:
    """The length-controlled win rate of outcomes y[N], with an interval.

    The variance of theta is the sandwich estimate with `prompts` (numbers from 0) as clusters; the
    interval is that of theta, put through the sigmoid. None where the length tells nothing: the
    same difference everywhere, or nothing but wins or nothing but losses.
    """
    spread = difference.std()
    if spread == 0 or y.min() == y.max() in (0.0, 1.0):
        return None
    x = np.stack([np.ones_like(y), np.tanh(difference / spread)], axis=1)
    penalty = np.array([0.0, 1.0])

    def loss(beta: np.ndarray) -> float:
        eta = x @ beta
        return float(np.sum(np.logaddexp(0, eta) - y * eta) + penalty @ beta**2 / 2)

    def gradient(beta: np.ndarray) -> np.ndarray:
        return x.T @ (expit(x @ beta) - y) + penalty * beta

    def hessian(beta: np.ndarray) -> np.ndarray:
        p = expit(x @ beta)
        return (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)

    beta = minimize(loss, np.zeros(2), jac=gradient, hess=hessian, method="trust-exact").x
    residuals = x * (expit(x @ beta) - y)[:, None]
    clusters = np.stack([np.bincount(prompts, weights=column) for column in residuals.T], axis=1)
    bread = np.linalg.inv(hessian(beta))
    number = len(clusters)
    variance = bread @ (clusters.T @ clusters) @ bread * number / (number - 1)
    half = ndtri((1 + level) / 2) * np.sqrt(variance[0, 0])
    return Interval(*(float(expit(beta[0] + step)) for step in (0.0, -half, half)))
