"""What a whole answer is worth beside the other answers to its prompt: the extension ASKD+.

With a skewness alpha(y) that depends on the whole answer, the sampled gradients of Eqs. 8 and 9
hold more than the divergence at each prefix. At q = p their coefficients are alpha(y) on teacher
outputs and kappa(y) (alpha(y) - 1) on student outputs: a REINFORCE step on quality
(docs/paper-notes.md, Theorem 1). A sum over the vocabulary at each prefix loses that part. ASKD+
keeps the sum, which has less variance, and adds the part back with a leave-one-out baseline (Kool
et al., 2019):

    - (w_i - mean of w_j over the other samples j of the prompt) log q(y_i)

This is not the paper's method, and on teacher outputs it is an approximation: the coefficient there
is alpha q / m, which is alpha at q = p only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence


def outcome_weight(side: str, alpha: float, kappa: float) -> float:
    """The coefficient of -log q of an answer at q = p: Eq. 8 on `tgo`, kappa times Eq. 9 on `sgo`.

    Args:
        side: `tgo` or `sgo`.
        alpha: skewness of the answer, the weight of the student in the mixture.
        kappa: 0 for a correct student output that is clipped (Eq. 13), else 1.
    """
    return alpha if side == "tgo" else kappa * (alpha - 1)


def leave_one_out(values: Sequence[float], groups: Sequence[Hashable]) -> list[float]:
    """Each value minus the mean of the others in its group; 0 in a group of one.

    On student outputs the baseline of an answer leaves the expectation of the gradient, as long as
    the values of the others do not depend on the answer. Rewards that are normalised by group do:
    then the expectation grows by some G / (G - 1), for G answers. On teacher outputs the baseline
    also takes away the mean value times the expectation of grad log q, which is zero at q = p only.

    Args:
        values: one per answer, [n].
        groups: what the answers are answers to, [n].
    """
    sums: dict[Hashable, float] = defaultdict(float)
    sizes: dict[Hashable, int] = defaultdict(int)
    for value, group in zip(values, groups, strict=True):
        sums[group] += value
        sizes[group] += 1
    return [
        value - (sums[group] - value) / (sizes[group] - 1) if sizes[group] > 1 else 0.0
        for value, group in zip(values, groups, strict=True)
    ]
