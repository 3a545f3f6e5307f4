"""Statements on the minimum of the loss: Section 4.1 and the limit in Theorem 1."""

from __future__ import annotations

from collections.abc import Sequence

from askd.theory import tabular
from askd.theory.convergence import (
    askd_loss,
    descend,
    gradient,
    skew_loss,
    tilted_limit,
    total_variation,
)
from askd.theory.estimators import expected_alpha_gradient
from askd.theory.example import Example, cases
from askd.theory.statements import (
    ROUNDING,
    Claim,
    Statement,
    at_least,
    at_most,
    largest,
    measured,
    positive,
    printed,
    smallest,
    vanishes,
)

Examples = Sequence[Example]


def negative_values(examples: Examples, step: float = 0.1) -> Statement:
    """The sign of the loss, of one alpha, of alpha(y), and of single outputs."""
    constant = [
        divergence(example.space, example.student, example.teacher, alpha, mixture).item()
        for example, alpha in cases(examples)
        for divergence in (tabular.skew_kl, tabular.skew_reverse_kl)
        for mixture in ("token", "sequence")
    ]
    adaptive, gains, wrong = [], [], []
    for example in examples:
        equal = example.with_student(example.teacher)
        tilted = example.teacher + step * expected_alpha_gradient(equal, example.alpha)
        adaptive.append(askd_loss(example, example.alpha)(tilted).item())
        better = example.with_student(tilted).student_probabilities
        gains.append((better - example.teacher_probabilities) @ example.alpha)
        # log(p/m) of an output is negative where q > p, whatever alpha is.
        liked = example.student_probabilities > example.teacher_probabilities
        wrong.append((~example.correct[liked]).double().mean().item())
    return Statement(
        "Section 4.1: negative loss",
        "The loss can be negative, which shows that the student is better",
        (
            Claim(
                "one alpha for all outputs",
                (at_most("smallest loss", smallest(constant), -ROUNDING),),
            ),
            Claim(
                "alpha(y), in expectation, near q = p",
                (
                    at_most(
                        "largest loss of a student tilted to quality", largest(adaptive), -ROUNDING
                    ),
                    positive("smallest rise of its expected alpha", min(gains)),
                ),
            ),
            Claim(
                "alpha(y), a single output",
                (at_most("share of wrong ones among those with log(p/m) < 0", largest(wrong), 0),),
            ),
        ),
        instead=Claim(
            "with one alpha it is a divergence and never negative; with alpha(y), m is no "
            "distribution",
            (at_least("smallest loss with one alpha", smallest(constant), 0),),
        ),
    )


def adaptive_limit(examples: Examples) -> Statement:
    """Whether q = p is a point of rest of the loss with alpha(y)."""
    adaptive, kept, clipped, identity = [], [], [], []
    for example in examples:
        equal = example.with_student(example.teacher)
        step = gradient(askd_loss(example, example.alpha), example.teacher)
        adaptive.append(step.norm().item())
        identity.append((step + 2 * expected_alpha_gradient(equal, example.alpha)).norm().item())
        kept.append(gradient(askd_loss(example, 0.5), example.teacher).norm().item())
        clipped.append(
            gradient(askd_loss(example, 0.5, example.kappa), example.teacher).norm().item()
        )
    return Statement(
        "Theorem 1: limit",
        "The optimum of the adaptive loss, where its gradient vanishes, is q = p",
        printed(
            vanishes("largest gradient at q = p", largest(adaptive)),
            measured("smallest", smallest(adaptive)),
        ),
        instead=Claim(
            "at q = p the gradient is -grad E_q[alpha(y)] on each side (kappa = 1), a step of "
            "REINFORCE on quality; it vanishes for one alpha without kappa",
            (
                vanishes("difference from that", largest(identity)),
                vanishes("gradient with alpha = 0.5, kappa = 1", largest(kept)),
                measured("smallest with alpha = 0.5 and kappa(y)", smallest(clipped)),
            ),
        ),
    )


def tilt(examples: Examples) -> Statement:
    """The exact minimiser of SKL on teacher outputs with alpha(y)."""
    distances, rests, gains = [], [], []
    for example in examples:
        alpha, p = example.alpha, example.teacher_probabilities
        q, multiplier = tilted_limit(p, alpha)
        pull = alpha * p / ((1 - alpha) * p + alpha * q)
        rests.append((pull[q > 0] - multiplier).abs().max().item())
        rests.append((pull - multiplier).clamp(min=0).max().item())
        distances.append(total_variation(q, p))
        gains.append(((q - p) @ example.correct.double()).item())
    return Statement(
        "Section 4.1: full alignment",
        "On teacher outputs SKL with alpha(y) leads to q = p",
        printed(
            vanishes("largest distance of the limit from p (total variation)", largest(distances)),
            measured("smallest", smallest(distances)),
        ),
        instead=Claim(
            "to q* = p max(0, 1/nu - 1/alpha + 1) (one mixture of whole sequences), which has more "
            "right answers than the teacher",
            (
                vanishes("error of the conditions of optimality", largest(rests)),
                positive("smallest rise of the share of right answers", smallest(gains)),
                measured("largest", largest(gains)),
            ),
        ),
    )


def constant_limit(
    examples: Examples, alpha: float = 0.5, step_size: float = 2.0, steps: int = 5000
) -> Statement:
    """The limit of SKL with one alpha."""
    distances, ratios = [], []
    for example in examples:
        loss = skew_loss(example, "skl", alpha)
        p = example.teacher_probabilities
        final = example.with_student(descend(loss, example.student, step_size, steps))
        distances.append(total_variation(final.student_probabilities, p))
    for example, level in cases(examples):
        divergence = skew_loss(example, "skl", level, "sequence")(example.student)
        distance = total_variation(example.student_probabilities, example.teacher_probabilities)
        ratios.append((divergence / (2 * (level * distance) ** 2)).item())
    return Statement(
        "Section 4.1: fixed alpha",
        "With a fixed alpha the student converges to a mixture and not to the teacher",
        printed(
            at_least(
                f"distance from p after {steps} steps (total variation)", largest(distances), 1e-3
            )
        ),
        instead=Claim(
            "to the teacher: KL(p||m) >= 2 alpha^2 TV(p, q)^2, so it is zero only for q = p",
            (
                at_most("largest distance", largest(distances), 1e-3),
                at_least("smallest ratio of the two sides", smallest(ratios), 1),
            ),
        ),
    )
