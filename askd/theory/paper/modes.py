"""Statements on divergences of a teacher with two modes: Section 2.

The teacher draws two symbols, which are equal but for a rare pair; its modes are the two equal
pairs. A student that is too small for it draws both symbols independently, so that it can put its
mass on one mode, or on all four pairs, but not on the two modes alone. The best student of each
divergence is found by minimising it, over all such students, in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, rel_entr

from askd.theory.statements import Claim, Statement, at_least, at_most, printed

Probabilities = NDArray[np.float64]
Divergence = Callable[[Probabilities, Probabilities], float]

RARE = 0.02
# DistiLLM-2's weights of the student in the mixture (config/methods.yaml).
SKL_ALPHA, SRKL_ALPHA = 0.9, 0.1
# A student averages if so much of its mass lies where the teacher has RARE, and collapses if no
# more than this is on one of the modes.
AVERAGED, COLLAPSED = 0.25, 0.05
# Logits of the first symbol: of a student for all pairs, and of one for each mode.
_STARTS = ([0.1, 0.2], [3.0, 3.0], [-3.0, -3.0])


def two_modes(rare: float = RARE) -> Probabilities:
    """The teacher's probability of each pair of symbols, [2, 2]; sums to 1."""
    same, other = (1 - rare) / 2, rare / 2
    return np.array([[same, other], [other, same]])


def skew_kl(alpha: float) -> Divergence:
    """KL(p || (1 - alpha) p + alpha q) in nats; paper Eq. 3, at alpha = 1 Eq. 1."""
    return lambda p, q: float(rel_entr(p, (1 - alpha) * p + alpha * q).sum())


def skew_reverse_kl(alpha: float) -> Divergence:
    """KL(q || (1 - alpha) p + alpha q) in nats; paper Eq. 4, at alpha = 0 the reverse KL."""
    return lambda p, q: float(rel_entr(q, (1 - alpha) * p + alpha * q).sum())


def small_student(divergence: Divergence, rare: float = RARE) -> Probabilities:
    """The student with the least divergence of those with two independent symbols, [2, 2]."""
    teacher = two_modes(rare)
    found = [
        minimize(lambda logits: divergence(teacher, _independent(logits)), start, method="BFGS")
        for start in _STARTS
    ]
    return _independent(min(found, key=lambda one: one.fun).x)


def _independent(logits: Probabilities) -> Probabilities:
    first, second = expit(logits)
    return np.outer([first, 1 - first], [second, 1 - second])


def between(student: Probabilities) -> float:
    """The student's mass on the pairs that the teacher hardly draws."""
    return float(student[0, 1] + student[1, 0])


def weaker(student: Probabilities) -> float:
    """The student's mass on the mode that it draws less often; the teacher has nearly half."""
    return float(min(student[0, 0], student[1, 1]))


def vanilla(rare: float = RARE) -> Statement:
    """What the best students of both KLs do with two modes."""

    def reading(text: str, forward: Probabilities, reverse: Probabilities) -> Claim:
        averages = at_least(f"forward KL, mass where p has {rare:g}", between(forward), AVERAGED)
        collapses = at_most("reverse KL, mass on the weaker mode", weaker(reverse), COLLAPSED)
        return Claim(text, (averages, collapses))

    teacher = two_modes(rare)
    small = [small_student(divergence, rare) for divergence in (skew_kl(1), skew_reverse_kl(0))]
    return Statement(
        "Section 2: modes",
        "the best student by forward KL averages the teacher's modes, by reverse KL collapses to "
        "one",
        (
            reading("of students that are too small for the teacher", *small),
            # Both divergences are zero at p and nowhere else.
            reading("of students that can be the teacher", teacher, teacher),
        ),
    )


def skewed(skl: float = SKL_ALPHA, srkl: float = SRKL_ALPHA, rare: float = RARE) -> Statement:
    """Whether skewness, with these weights of the student, keeps a small one from both."""
    of_skl, of_srkl = (
        [small_student(divergence(alpha), rare) for alpha in (own, 1 - own)]
        for divergence, own in ((skew_kl, skl), (skew_reverse_kl, srkl))
    )
    return Statement(
        "Section 2: skewness and modes",
        "skew KL does not average modes, and skew reverse KL does not collapse to one (at "
        "DistiLLM-2's alpha, of students that are too small for the teacher)",
        printed(
            at_most(f"SKL, alpha {skl:g}, where p has {rare:g}", between(of_skl[0]), AVERAGED),
            at_least(f"SRKL, alpha {srkl:g}, on the weaker mode", weaker(of_srkl[0]), COLLAPSED),
        ),
        instead=Claim(
            "alpha says which of the two a skew divergence does: with the weights of teacher and "
            "student exchanged, SKL collapses and SRKL averages",
            (
                at_most(
                    f"SKL, alpha {1 - skl:g}, on the weaker mode", weaker(of_skl[1]), COLLAPSED
                ),
                at_least(
                    f"SRKL, alpha {1 - srkl:g}, where p has {rare:g}", between(of_srkl[1]), AVERAGED
                ),
            ),
        ),
    )
