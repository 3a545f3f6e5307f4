"""Statements on gradients of the divergences: Eqs. 5 and 8 to 11."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from askd.theory import coefficients, tabular
from askd.theory.estimators import (
    SequenceLoss,
    Side,
    exact_gradient,
    full_vocabulary,
    mean_gradient,
    relative_error,
    sampled,
    weighted_likelihood,
    whole_return,
)
from askd.theory.example import ALPHAS, Example, cases
from askd.theory.statements import (
    Claim,
    Statement,
    at_most,
    largest,
    measured,
    printed,
    smallest,
    vanishes,
)

Examples = Sequence[Example]
Alphas = Sequence[float]


def eq_5(examples: Examples) -> Statement:
    """The policy-gradient form of forward and reverse KL."""
    to_go = _errors(examples, (0.0,), "srkl", returns="reward_to_go")
    return Statement(
        "Eq. 5",
        "The gradient of the (R)KL is that of REINFORCE with a return R_t made of p and q",
        printed(
            vanishes("error for KL, R_t = 1", largest(_errors(examples, (1.0,), "skl"))),
            vanishes("error for RKL, R_t = sum of log c from t on, minus 1", largest(to_go)),
        ),
    )


def eq_8(examples: Examples, alphas: Alphas = ALPHAS) -> Statement:
    """The sampled gradient of SKL."""
    per_token, of_sequences = _both_mixtures(examples, alphas, "skl")
    return Statement(
        "Eq. 8",
        "The gradient of SKL is -E_p[(alpha q/m) grad log q]",
        printed(
            vanishes("error, a mixture per token", per_token),
            vanishes("error, a mixture of whole sequences", of_sequences),
        ),
    )


def eq_9(examples: Examples, alphas: Alphas = ALPHAS) -> Statement:
    """The sampled gradient of SRKL, for one alpha."""
    per_token, of_sequences = _both_mixtures(examples, alphas, "srkl", returns="reward_to_go")
    own = _errors(examples, alphas, "srkl")
    held = [
        relative_error(
            mean_gradient(example, "srkl", sampled(example, "srkl", alpha)),
            mean_gradient(example, "srkl", full_vocabulary(example, "srkl", alpha)),
        )
        for example, alpha in cases(examples, alphas)
    ]
    return Statement(
        "Eq. 9",
        "The gradient of SRKL is -E_q[(log(m/q) + alpha q/m - 1) grad log q]",
        (
            Claim("a mixture of whole sequences", (vanishes("error", of_sequences),)),
            Claim(
                "a mixture per token, logarithms of this and later tokens",
                (vanishes("error", per_token),),
            ),
            Claim(
                "a mixture per token, its own logarithm",
                (vanishes("largest error", largest(own)), measured("smallest", smallest(own))),
            ),
        ),
        instead=Claim(
            "a token's own logarithm is exact for the divergences at prefixes that are held fixed",
            (vanishes("error", largest(held)),),
        ),
    )


def eq_10(examples: Examples, alphas: Alphas = ALPHAS, length: int = 32) -> Statement:
    """The product of the tokens' coefficients."""
    errors = [
        error
        for mixture in ("token", "sequence")
        for error in _errors(examples, alphas, "skl", mixture, form="product")
    ]
    per_token, of_sequences = _both_mixtures(examples, alphas, "skl")
    return Statement(
        "Eq. 10",
        "lambda_SKL is the product of 1/(1 + (1/alpha - 1) c_t) over the tokens",
        printed(
            vanishes("largest error", largest(errors)),
            measured("smallest", smallest(errors)),
            measured(
                f"lambda at alpha = 0.5, c = 1 and {length} tokens",
                coefficients.skl(1.0, 0.5).item() ** length,
            ),
        ),
        correction=Claim(
            "no product: alpha q_t/m_t for each token; or, for one mixture of whole sequences, "
            "the product inside: 1/(1 + (1/alpha - 1) prod c_t)",
            (
                vanishes("error without product", per_token),
                vanishes("error with the product inside", of_sequences),
            ),
        ),
    )


def eq_11_logarithm(c: Tensor | None = None, alpha: Tensor | None = None) -> Statement:
    """The logarithm of Eq. 11 against the definition of the mixture, for single tokens."""
    c = coefficients.ratios(0.05, 20, 41) if c is None else c
    alpha = torch.linspace(0, 1, 21, dtype=torch.float64) if alpha is None else alpha
    c, alpha = c[:, None], alpha[None, :]
    q = 1 / (1 + c)
    definition = (((1 - alpha) * c * q + alpha * q) / q).log()
    # Both forms of lambda_SRKL are a logarithm plus alpha q/m - 1.
    rest = coefficients.skl(c, alpha) - 1
    difference = (coefficients.srkl(c, alpha, form="product") - rest - definition).abs()
    corrected = (coefficients.srkl(c, alpha) - rest - definition).abs()
    undefined = difference.isnan()
    return Statement(
        "Eq. 11: logarithm",
        "log(m/q) is log((1 - c) alpha + 1)",
        printed(
            vanishes("largest difference", difference[~undefined].max().item()),
            at_most("undefined on a share of", undefined.double().mean().item(), 0),
        ),
        correction=Claim(
            "log((1 - c) alpha + c); the printed one is undefined for c > 1 + 1/alpha",
            (
                vanishes("largest difference", corrected.max().item()),
                vanishes(
                    "undefined elsewhere",
                    (undefined ^ (c > 1 + 1 / alpha)).double().mean().item(),
                ),
            ),
        ),
    )


def eq_11_sum(examples: Examples, alphas: Alphas = ALPHAS) -> Statement:
    """The sum of logarithms over this and later tokens."""
    adaptive = [
        _error(
            example,
            "srkl",
            example.alpha,
            sampled(example, "srkl", example.alpha, returns="reward_to_go"),
        )
        for example in examples
    ]
    whole = [
        _error(example, "srkl", example.alpha, whole_return(example, example.alpha))
        for example in examples
    ]
    one = _errors(examples, alphas, "srkl", returns="reward_to_go")
    return Statement(
        "Eq. 11: sum",
        "A token answers for the logarithms of this and all later tokens",
        (
            Claim("one alpha for all outputs", (vanishes("error", largest(one)),)),
            Claim(
                "alpha(y)",
                (
                    vanishes("largest error", largest(adaptive)),
                    measured("smallest", smallest(adaptive)),
                ),
            ),
        ),
        instead=Claim(
            "with alpha(y) for those of all tokens, since alpha(y) knows what follows earlier ones",
            (vanishes("error", largest(whole)),),
        ),
    )


def eq_11_product(examples: Examples, alphas: Alphas = ALPHAS) -> Statement:
    """The product in Eq. 11, with the logarithm put right."""
    errors = []
    for example, alpha in cases(examples, alphas):
        c = (example.teacher_logprobs - example.student_logprobs).exp()
        share = coefficients.skl(c, alpha)
        log_ratio = coefficients.srkl(c, alpha) - share + 1
        coefficient = _from_the_end(log_ratio, torch.cumsum)
        coefficient = coefficient + _from_the_end(share, torch.cumprod) - 1
        errors.append(_error(example, "srkl", alpha, weighted_likelihood(example, coefficient)))
    without = _errors(examples, alphas, "srkl", returns="reward_to_go")
    return Statement(
        "Eq. 11: product",
        "The second term of lambda_SRKL is the product of alpha q/m from the token on",
        printed(vanishes("largest error", largest(errors)), measured("smallest", smallest(errors))),
        correction=Claim(
            "no product: alpha q_t/m_t of the token", (vanishes("error", largest(without)),)
        ),
    )


def _from_the_end(values: Tensor, accumulate: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Accumulate over the tokens from the last to the first, [S, T]."""
    return accumulate(values.flip(1), 1).flip(1)


def _error(
    example: Example,
    side: Side,
    alpha: float | Tensor,
    loss: SequenceLoss,
    mixture: tabular.Mixture = "token",
) -> float:
    """Relative error of a loss's expected gradient."""
    exact = exact_gradient(example, side, alpha, mixture)
    return relative_error(mean_gradient(example, side, loss), exact)


def _errors(
    examples: Examples,
    alphas: Alphas,
    side: Side,
    mixture: tabular.Mixture = "token",
    **options: str,
) -> list[float]:
    """The same of the sampled form, for each example and alpha."""
    return [
        _error(example, side, alpha, sampled(example, side, alpha, **options), mixture)
        for example, alpha in cases(examples, alphas)
    ]


def _both_mixtures(
    examples: Examples, alphas: Alphas, side: Side, **options: str
) -> tuple[float, float]:
    """The largest error with a mixture per token, and with one of whole sequences."""
    return (
        largest(_errors(examples, alphas, side, **options)),
        largest(_errors(examples, alphas, side, "sequence", form="sequence_mixture")),
    )
