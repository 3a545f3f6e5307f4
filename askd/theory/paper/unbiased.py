"""Section 3.1 calls its estimator unbiased: whether it is, in each form that askd can run.

The variance is the trace of the covariance matrix of one output's gradient, in units of the squared
norm of the exact gradient, and averaged over the examples; the cosine is that of the expected and
the exact gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from askd.theory import tabular
from askd.theory.estimators import (
    SequenceLoss,
    Side,
    cosine,
    exact_gradient,
    full_vocabulary,
    mean_gradient,
    moments,
    relative_error,
    sampled,
    whole_return,
)
from askd.theory.example import Example
from askd.theory.statements import (
    Check,
    Claim,
    Statement,
    largest,
    measured,
    printed,
    smallest,
    vanishes,
)

# An estimator's loss from alpha and the weight of each sequence.
MakeLoss = Callable[[Example, float | Tensor, float | Tensor], SequenceLoss]


@dataclass(frozen=True)
class Estimator:
    """An estimator of a side's gradient, and the mixture of the divergence that it belongs to.

    `per_prefix` marks one that is exact for prefixes that are held fixed, though not in general.
    """

    name: str
    side: Side
    loss: MakeLoss
    mixture: tabular.Mixture = "token"
    per_prefix: bool = False


def _sampled(side: Side, **options: str) -> MakeLoss:
    return lambda example, alpha, weight: sampled(example, side, alpha, weight, **options)


def _full(side: Side) -> MakeLoss:
    return lambda example, alpha, weight: full_vocabulary(example, side, alpha, weight)


ESTIMATORS = (
    Estimator("SKL, token", "skl", _sampled("skl")),
    Estimator("SKL, sequence mixture", "skl", _sampled("skl", form="sequence_mixture"), "sequence"),
    Estimator("SKL, product", "skl", _sampled("skl", form="product")),
    Estimator("SKL, full vocabulary", "skl", _full("skl")),
    *(
        Estimator(
            f"SRKL, {returns.replace('_', '-')}, constant {constant}",
            "srkl",
            _sampled("srkl", returns=returns, constant=constant),
            per_prefix=returns == "myopic",
        )
        for returns in ("myopic", "reward_to_go")
        for constant in ("keep", "drop")
    ),
    Estimator("SRKL, whole return", "srkl", whole_return),
    *(
        Estimator(
            f"SRKL, sequence mixture, constant {constant}",
            "srkl",
            _sampled("srkl", form="sequence_mixture", constant=constant),
            "sequence",
        )
        for constant in ("keep", "drop")
    ),
    Estimator("SRKL, product", "srkl", _sampled("srkl", form="product")),
    Estimator("SRKL, full vocabulary", "srkl", _full("srkl"), per_prefix=True),
)


def unbiased(examples: Sequence[Example], estimator: Estimator, alpha: float = 0.5) -> Statement:
    """Whether an estimator has the exact gradient of its side of ASKD's loss as its expectation."""
    adaptive = _checks(
        examples,
        estimator,
        lambda example: example.alpha,
        lambda example: example.kappa if estimator.side == "srkl" else 1.0,
    )
    constant = _checks(examples, estimator, lambda _: alpha, lambda _: 1.0)
    instead = None
    if estimator.per_prefix:
        held = [
            relative_error(
                mean_gradient(example, "srkl", estimator.loss(example, alpha, 1.0)),
                mean_gradient(example, "srkl", full_vocabulary(example, "srkl", alpha)),
            )
            for example in examples
        ]
        instead = Claim(
            f"with alpha = {alpha:g} exact for prefixes that are held fixed",
            (vanishes("error of that", largest(held)),),
        )
    return Statement(
        f"Unbiased: {estimator.name}",
        f"The expected gradient is that of {estimator.side.upper()}, with alpha(y)"
        + (" and kappa(y)" if estimator.side == "srkl" else ""),
        printed(*adaptive),
        correction=Claim("for one alpha without kappa", constant),
        instead=instead,
    )


def _checks(
    examples: Sequence[Example],
    estimator: Estimator,
    alpha: Callable[[Example], float | Tensor],
    weight: Callable[[Example], float | Tensor],
) -> tuple[Check, ...]:
    errors, cosines, variances = [], [], []
    for example in examples:
        settings = (alpha(example), weight(example))
        estimate = moments(example, estimator.side, estimator.loss(example, *settings))
        exact = exact_gradient(example, estimator.side, settings[0], estimator.mixture, settings[1])
        errors.append(relative_error(estimate.mean, exact))
        cosines.append(cosine(estimate.mean, exact))
        variances.append(estimate.variance / exact.square().sum().item())
    return (
        vanishes("largest error", largest(errors)),
        measured("smallest cosine", smallest(cosines)),
        measured("variance", sum(variances) / len(variances)),
    )
