"""Statements on losses: Eqs. 2, 6 and 7."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from askd.theory import tabular
from askd.theory.estimators import (
    exact_gradient,
    full_vocabulary,
    mean_gradient,
    moments,
    relative_error,
    sampled,
    whole_return,
)
from askd.theory.example import ALPHAS, Example, cases
from askd.theory.statements import (
    ROUNDING,
    Claim,
    Statement,
    at_least,
    at_most,
    largest,
    printed,
    smallest,
    vanishes,
)


def eq_2(examples: Sequence[Example]) -> Statement:
    """Eq. 2 against what the codes of earlier methods compute (alpha = 1 is the KL)."""
    errors, shares = [], []
    for example, alpha in cases(examples, (*ALPHAS, 1.0)):
        vocabulary = moments(example, "skl", full_vocabulary(example, "skl", alpha))
        token = moments(example, "skl", sampled(example, "skl", alpha))
        errors.append(relative_error(vocabulary.mean, exact_gradient(example, "skl", alpha)))
        shares.append(vocabulary.variance / token.variance)
    as_printed = []
    for example in examples:
        # A sum of p(y) log p(y)/q(y) over outputs that are drawn from p weighs each with p twice.
        loss = sampled(example, "skl", 1.0, example.teacher_probabilities)
        gradient = mean_gradient(example, "skl", loss)
        as_printed.append(relative_error(gradient, exact_gradient(example, "skl", 1.0)))
    label = "error of its expected gradient"
    return Statement(
        "Eq. 2",
        "What earlier methods compute is a biased approximation of the KL on teacher outputs",
        (
            Claim("the sum as printed", (at_least(label, smallest(as_printed), ROUNDING),)),
            Claim(
                "the sum over the vocabulary at each prefix, which their codes compute",
                (at_least(label, largest(errors), ROUNDING),),
            ),
        ),
        instead=Claim(
            "the sum over the vocabulary has the expectation of Eq. 8 and less variance, while "
            "alpha is the same for all outputs",
            (
                vanishes("largest difference", largest(errors)),
                at_most("largest share of the variance", largest(shares), 1),
            ),
        ),
    )


def eq_6(examples: Sequence[Example], alphas: Sequence[float] = ALPHAS) -> Statement:
    """The contrastive form of DistiLLM-2 against the definitions."""
    differences: dict[bool, list[float]] = {False: [], True: []}
    for example, alpha in cases(examples, alphas):
        p, q = example.teacher_probabilities, example.student_probabilities
        value = (p * (p / (alpha * p + (1 - alpha) * q)).log()).sum()
        value = value + (q * (q / (alpha * q + (1 - alpha) * p)).log()).sum()
        models = (example.space, example.student, example.teacher)
        reverse = tabular.skew_reverse_kl(*models, alpha, "sequence")
        for corrected, alpha_skl in ((False, alpha), (True, 1 - alpha)):
            defined = tabular.skew_kl(*models, alpha_skl, "sequence") + reverse
            differences[corrected].append(abs((value / defined).item() - 1))
    return Statement(
        "Eq. 6",
        "Its terms are the SKL and SRKL of Eqs. 3 and 4 with one alpha",
        printed(vanishes("largest relative difference", largest(differences[False]))),
        correction=Claim(
            "alpha of Eq. 6 is 1 - alpha of Eq. 3 on teacher outputs, and alpha of Eq. 4 on "
            "student outputs",
            (vanishes("largest relative difference", largest(differences[True])),),
        ),
    )


def eq_7(examples: Sequence[Example]) -> Statement:
    """The gradient that Algorithm 1 takes of the loss with alpha(y) and kappa(y)."""

    def error(mixture: tabular.Mixture, **options: str) -> float:
        form = "token" if mixture == "token" else "sequence_mixture"
        return largest(
            _error_of_askd(
                example,
                mixture,
                mean_gradient(example, "skl", sampled(example, "skl", example.alpha, form=form)),
                mean_gradient(
                    example,
                    "srkl",
                    sampled(example, "srkl", example.alpha, example.kappa, form=form, **options),
                ),
            )
            for example in examples
        )

    whole = largest(
        _error_of_askd(
            example,
            "token",
            mean_gradient(example, "skl", sampled(example, "skl", example.alpha)),
            mean_gradient(example, "srkl", whole_return(example, example.alpha, example.kappa)),
        )
        for example in examples
    )
    label = "largest error"
    return Statement(
        "Eq. 7, Algorithm 1",
        "With alpha(y) and kappa(y), Eq. 8 plus kappa times Eq. 9 is the gradient of the loss",
        (
            Claim("a mixture of whole sequences", (vanishes(label, error("sequence")),)),
            Claim(
                "a mixture per token, logarithms of this and later tokens",
                (vanishes(label, error("token", returns="reward_to_go")),),
            ),
            Claim("a mixture per token, its own logarithm", (vanishes(label, error("token")),)),
        ),
        instead=Claim(
            "a mixture per token needs the logarithms of all tokens, of earlier ones too, because "
            "alpha(y) and kappa(y) know what follows these",
            (vanishes(label, whole),),
        ),
    )


def _error_of_askd(
    example: Example, mixture: tabular.Mixture, forward: Tensor, reverse: Tensor
) -> float:
    exact = exact_gradient(example, "skl", example.alpha, mixture)
    exact = exact + exact_gradient(example, "srkl", example.alpha, mixture, example.kappa)
    return relative_error(forward + reverse, exact)
