"""Section 3.1 calls its estimator unbiased: whether it is, in each form that askd can run.

The variance is the trace of the covariance matrix of one output's gradient, in units of the squared
norm of the exact gradient, and averaged over the examples; the cosine is that of the expected and
the exact gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from askd.objectives import outcome_weight
from askd.theory import tabular
from askd.theory.estimators import (
    Moments,
    SequenceLoss,
    Side,
    cosine,
    exact_gradient,
    full_vocabulary,
    leave_one_out_moments,
    mean_gradient,
    moments,
    relative_error,
    reweighted,
    sampled,
    whole_return,
)
from askd.theory.example import Example
from askd.theory.statements import (
    Check,
    Claim,
    Statement,
    at_most,
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


def outcome(examples: Sequence[Example], side: Side, samples: int = 4) -> Statement:
    """ASKD+, which is not the paper's: the sum over the vocabulary and the worth of the output."""

    def both(example: Example) -> tuple[Moments, Moments]:
        """Of ASKD+ and of the sampled form."""
        kappa = example.kappa if side == "srkl" else 1.0
        worth = outcome_weight({"skl": "tgo", "srkl": "sgo"}[side], example.alpha, kappa)
        plus = leave_one_out_moments(
            example, side, full_vocabulary(example, side, example.alpha, kappa), worth, samples
        )
        return plus, moments(example, side, sampled(example, side, example.alpha, kappa))

    errors, variances = [], []
    for example in examples:
        kappa = example.kappa if side == "srkl" else 1.0
        exact = exact_gradient(example, side, example.alpha, weight=kappa)
        plus, _ = both(example)
        errors.append(relative_error(plus.mean, exact))
        variances.append(plus.variance / exact.square().sum().item())
    at_rest = [both(example.with_student(example.teacher)) for example in examples]
    return Statement(
        f"Unbiased: {side.upper()}, outcome (ASKD+)",
        f"The expected gradient is that of {side.upper()}, with alpha(y)"
        + (" and kappa(y)" if side == "srkl" else ""),
        printed(
            vanishes("largest error", largest(errors)),
            measured(f"variance, groups of {samples}", sum(variances) / len(variances)),
        ),
        instead=Claim(
            "at q = p it has the expected gradient of the sampled form, and less variance",
            (
                vanishes(
                    "error of that",
                    largest(relative_error(plus.mean, literal.mean) for plus, literal in at_rest),
                ),
                at_most(
                    f"largest share of its variance, groups of {samples}",
                    largest(plus.variance / literal.variance for plus, literal in at_rest),
                    1,
                ),
            ),
        ),
    )


def ratio(examples: Sequence[Example], alpha: float = 0.5, staleness: float = 0.3) -> Statement:
    """`importance: ratio` of outputs of a student that was farther from its teacher."""
    errors, stale, held, variances = [], [], [], []
    for example in examples:
        logits = example.student + staleness * (example.student - example.teacher)
        older = example.space.token_logprobs(logits)
        drawn = older.sum(1).exp()
        own = mean_gradient(example, "srkl", sampled(example, "srkl", alpha))
        estimate = moments(example, "srkl", reweighted(example, older, alpha), drawn)
        errors.append(relative_error(estimate.mean, own))
        variances.append(estimate.variance / own.square().sum().item())
        plain = mean_gradient(example, "srkl", sampled(example, "srkl", alpha), drawn)
        stale.append(relative_error(plain, own))
        at_prefixes = full_vocabulary(example, "srkl", alpha)
        held.append(
            relative_error(estimate.mean, mean_gradient(example, "srkl", at_prefixes, drawn))
        )
    return Statement(
        "Unbiased: SRKL, ratio",
        "Outputs of an older student, with the ratio q/q_old of each token, have the expected "
        "gradient of the student's own",
        printed(
            vanishes("largest error", largest(errors)),
            measured("largest without the ratio", largest(stale)),
            measured("variance", sum(variances) / len(variances)),
        ),
        instead=Claim(
            "exact for the divergences at the prefixes that the older student wrote",
            (vanishes("error of that", largest(held)),),
        ),
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
