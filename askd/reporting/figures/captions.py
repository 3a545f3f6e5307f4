"""The captions: what each panel shows, and what the outputs say of the paper's claims."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from askd.config import Advantage
from askd.reporting.figures.facts import Fact
from askd.reporting.figures.outputs import Outputs
from askd.reporting.figures.tables import LARGEST_MONOTONE_RATIO, SIDES


def captions(outputs: Outputs, advantage: Advantage, facts: Sequence[Fact]) -> str:
    """One paragraph of Markdown for each figure."""
    found = {fact.name: fact for fact in facts}
    paragraphs = (
        f"**Figure 1.** {_answers(outputs)} "
        "p is the teacher, q the student, c = p/q at a sampled token, TGO and SGO their outputs. "
        "Intervals are 95 % bootstrap intervals over prompts. "
        "(a) The coefficient of -log q against the skewness alpha: from the formula for ratios c "
        "(grey), and the mean over the tokens of the outputs (symbols), of skew KL on TGO (above) "
        "and of skew reverse KL on SGO (below). lambda_SKL rises with alpha whatever c; "
        f"lambda_SRKL rises on all of [0, 1] only where c <= {LARGEST_MONOTONE_RATIO:g}, which "
        f"holds for {_share(found['srkl_monotone'])} of the SGO tokens; for a larger c (black) it "
        "falls until the minimum that is marked. "
        "(b) The coefficients at the skewness that each output was given; the outermost bins hold "
        f"what lies beyond. lambda_SKL is positive at {_share(found['lambda_skl_positive'])} of "
        f"the TGO tokens, lambda_SRKL negative at {_share(found['lambda_srkl_negative'])} of the "
        "SGO tokens. "
        "(c) Mean log-probability of the first t tokens of an output under p and q; an output that "
        "has ended keeps its own. "
        f"p > q at {_share(found['tgo_p_above_q'])} of the tokens and for "
        f"{_share(found['tgo_p_above_q_sequences'])} of the whole outputs of TGO; p < q at "
        f"{_share(found['sgo_p_below_q'])} of the tokens and for "
        f"{_share(found['sgo_p_below_q_sequences'])} of the whole outputs of SGO. log p - log q of "
        f"a whole output is {_nats(found['tgo_log_ratio'])} on TGO and "
        f"{_nats(found['sgo_log_ratio'])} on SGO.",
        f"**Figure 2.** {_answers(outputs)} "
        "(a) Advantages A, with the mass of N(0, 1) in the same bins. "
        f"(b) The mapping alpha = Phi(beta A) with beta = {outputs.beta:g}, and the values that "
        "occur. (c) The skewness alpha, with the mass of U(0, 1). " + _values(outputs, advantage),
    )
    return "\n\n".join(textwrap.fill(paragraph, width=100) for paragraph in paragraphs) + "\n"


def _answers(outputs: Outputs) -> str:
    return (
        f"Teacher and untrained student answered {outputs.prompts} training prompts, "
        f"{outputs.samples} times each."
    )


def _values(outputs: Outputs, advantage: Advantage) -> str:
    """How the advantages differ from a normal distribution."""
    sides = [outputs.sides[side] for side in SIDES]
    counts = [len(np.unique(side.advantages)) for side in sides]
    zeros = [float(np.mean(side.advantages == 0)) for side in sides]
    is_joint = advantage.sides == "joint"
    if advantage.normalization == "group":
        size = (1 + is_joint) * outputs.samples
        over = f"G = {size} outputs{' of both models' if is_joint else ''} to a prompt"
        # k of G are 1: two values for each k from 1 to G - 1, and 0 if all rewards are equal.
        most = 2 * size - 1
        without = "these are the outputs to prompts whose outputs are all right or all wrong"
    else:
        size = (1 + is_joint) * outputs.samples * outputs.prompts
        over = f"all {size} outputs of {'both models' if is_joint else 'a model'}"
        most = 2
        without = "there are none unless all of them are right or all are wrong"
    return (
        "Phi with beta = 1 would make a standard normal A uniform. Here A takes "
        f"{counts[0]} different values on TGO and {counts[1]} on SGO (rewards of 0 or 1 that are "
        f"normalised over {over} give at most {most}), and is 0, so that alpha is 0.5, for "
        f"{100 * zeros[0]:.0f} % of TGO and {100 * zeros[1]:.0f} % of SGO; with such rewards "
        f"{without}."
    )


def _share(fact: Fact) -> str:
    return f"{_percent(fact.value)} % [{_percent(fact.ci_low)}, {_percent(fact.ci_high)}]"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _nats(fact: Fact) -> str:
    return f"{fact.value:.2f} nats [{fact.ci_low:.2f}, {fact.ci_high:.2f}]"
