"""Distillation objectives: pure functions on log-probabilities of response tokens.

No model, no batch format and no prompt or padding position is in sight: a caller selects the
response tokens of all its sequences, lays them one after the other, and gets one loss per token.

Glossary of dimensions: N response tokens, V vocabulary, B sequences.

Convention, everywhere in this project: p is the teacher, q the student, and the mixture is
m = (1 - alpha) p + alpha q, so alpha is the weight of the STUDENT (paper Eqs. 3 and 4). Code that
gives the weight of the teacher, such as DistiLLM's 0.1 on teacher outputs, must be translated:
its pair (0.1, 0.1) is (0.9, 0.1) here. docs/paper-notes.md lists where the paper is not followed
to the letter.

Two families estimate the same divergences:

* ``skew``, ``kullback_leibler``, ``adaptive_kl`` and ``jensen_shannon`` sum over the vocabulary at
  each prefix and need [N, V] log-probabilities;
* ``sampled`` sees the sampled token only, as a coefficient on its log-likelihood ([N]).

``policy_gradient`` needs both. ``likelihood`` needs no teacher. ``outcome`` weighs whole answers.

``reduction`` turns per-token losses into the loss of an optimizer step.
"""

from askd.objectives.adaptive_kl import adaptive_kl, head_share
from askd.objectives.jensen_shannon import generalized_jsd
from askd.objectives.kullback_leibler import forward_kl, reverse_kl
from askd.objectives.likelihood import nll
from askd.objectives.outcome import leave_one_out, outcome_weight
from askd.objectives.policy_gradient import (
    log_ratio_rewards,
    normalized_returns,
    policy_gradient,
    whiten,
)
from askd.objectives.reduction import token_weights
from askd.objectives.sampled import (
    skew_kl_coefficient,
    skew_reverse_kl_coefficient,
    surrogate,
)
from askd.objectives.skew import skew_kl, skew_reverse_kl

__all__ = [
    "adaptive_kl",
    "forward_kl",
    "generalized_jsd",
    "head_share",
    "leave_one_out",
    "log_ratio_rewards",
    "nll",
    "normalized_returns",
    "outcome_weight",
    "policy_gradient",
    "reverse_kl",
    "skew_kl",
    "skew_kl_coefficient",
    "skew_reverse_kl",
    "skew_reverse_kl_coefficient",
    "surrogate",
    "token_weights",
    "whiten",
]
