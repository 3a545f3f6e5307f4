"""Objectives on the sampled tokens alone: policy gradients of the skew divergences.

The gradient of a skew divergence is an expectation of -lambda_t grad log q(y_t | y_<t): over
teacher outputs for SKL, over student outputs for SRKL (paper Eqs. 5, 8, 9). So a loss is built in
two steps: a coefficient lambda, which is a constant, and a surrogate whose gradient is that
product. The value of the surrogate means nothing; only its gradient does.

With c_t = p(y_t | y_<t) / q(y_t | y_<t) and m = (1 - alpha) p + alpha q,

    m / q = alpha + (1 - alpha) c,    alpha q / m = 1 / (1 + (1/alpha - 1) c).

`form` says which mixture is meant, a choice that the paper leaves open (docs/paper-notes.md):

* ``token``: one mixture per token. The default, and the one that trains.
* ``sequence_mixture``: one mixture of whole-sequence probabilities, c = prod_t c_t. Also exact;
  but over real lengths that product is astronomically large or small, so that alpha q / m
  saturates at 0 or 1 and every token of a sequence shares its fate.
* ``product``: Eqs. 10 and 11 as printed, for study. It is the gradient of neither divergence, it
  vanishes exponentially with length, and its logarithm may be NaN.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Form = Literal["token", "sequence_mixture", "product"]
Returns = Literal["myopic", "reward_to_go"]
Constant = Literal["keep", "drop"]
Importance = Literal["none", "ratio", "clipped"]


@torch.no_grad()
def skew_kl_coefficient(
    student_logprob: Tensor,
    teacher_logprob: Tensor,
    alpha: float | Tensor,
    sequence: Tensor,
    form: Form = "token",
) -> Tensor:
    """Coefficient lambda of skew KL on teacher outputs: alpha q / m; paper Eq. 8.

    It lies in [0, 1]: 0 at alpha = 0, and 1 (plain likelihood) at alpha = 1. It falls with c: of
    all tokens, those that the teacher likes and the student does not are damped most.

    Args:
        student_logprob: log q(y_t | y_<t) of the sampled tokens, [N].
        teacher_logprob: log p(y_t | y_<t), [N].
        alpha: weight of the student in the mixture, in [0, 1]; a number or [N], constant within
            a sequence.
        sequence: index of the sequence that each token belongs to, non-decreasing integers [N],
            the tokens of a sequence in order and complete.
        form: see the module docstring. ``product`` is Eq. 10 as printed, prod_t alpha q_t / m_t.

    Returns:
        lambda, [N], without gradient.

    Raises:
        ValueError: if shapes do not fit, `sequence` decreases, or `form` is unknown.
    """
    _check_choice("form", form, Form)
    log_c, alpha = _log_c_and_alpha(student_logprob, teacher_logprob, alpha, sequence)
    if form == "sequence_mixture":
        log_c = _sequence_sum(log_c, sequence)
    log_coefficient = alpha.log() - _log_mixture_ratio(log_c, alpha)
    if form == "product":
        log_coefficient = _sequence_sum(log_coefficient, sequence)
    return log_coefficient.exp()


@torch.no_grad()
def skew_reverse_kl_coefficient(
    student_logprob: Tensor,
    teacher_logprob: Tensor,
    alpha: float | Tensor,
    sequence: Tensor,
    form: Form = "token",
    returns: Returns = "myopic",
    constant: Constant = "keep",
) -> Tensor:
    """Coefficient lambda of skew reverse KL on student outputs; paper Eqs. 9 and 11.

    log(m/q) + alpha q/m - 1. At alpha = 0 this is log c - 1 (reverse KL), at alpha = 1 zero.

    `returns` says which logarithms a token answers for (form ``token`` only):

    * ``myopic``: its own. Exact for the divergence at each prefix, given how prefixes are
      distributed; not the gradient of the sequence divergence, as a token also decides which
      prefixes follow.
    * ``reward_to_go``: sum_{i >= t} log(m_i/q_i). Exact for the sequence divergence, at a
      variance that grows with length.

    A sequence mixture has one logarithm for the whole sequence, and the printed sum of the product
    form always runs to the end, so there `returns` makes no difference.

    `constant`: where q = p, c is 1 and lambda is alpha - 1, whatever the token. ``drop`` adds
    1 - alpha, so that lambda is 0 there. While every output of a prompt has the same alpha and the
    same weight this is a baseline: E_{y~q}[grad log q(y)] = 0, so only the variance changes, not
    the expected gradient. Otherwise ``drop`` removes something. For an alpha(y) that follows the
    quality of the output it is -E_q[(alpha(y) - 1) grad log q(y)] = -grad E_q[alpha(y)]: a
    REINFORCE step towards high-quality outputs, which the literal estimator takes without saying
    so. A weight w(y) on the loss of an output (kappa, or 1/length in the reduction by sequence)
    enters likewise, as w (alpha - 1). Removing the printed -1 alone would be a baseline for any
    alpha(y), but would leave lambda = alpha at q = p: a push that differs from zero everywhere,
    in the other direction.

    Args:
        student_logprob: log q(y_t | y_<t) of the sampled tokens, [N].
        teacher_logprob: log p(y_t | y_<t), [N].
        alpha: weight of the student in the mixture, in [0, 1]; a number or [N], constant within
            a sequence.
        sequence: index of the sequence that each token belongs to, non-decreasing integers [N],
            the tokens of a sequence in order and complete.
        form: see the module docstring. ``product`` is Eq. 11 as printed, with its lower bounds
            read as t' = t: sum_{t'>=t} log((1 - c) alpha + 1) + prod_{t'>=t} alpha q/m - 1. The
            first term should read log((1 - c) alpha + c), and is NaN for c > 1 + 1/alpha.
        returns: see above.
        constant: see above.

    Returns:
        lambda in nats, [N], without gradient. -inf where alpha = 0 and p excludes the token.

    Raises:
        ValueError: if shapes do not fit, `sequence` decreases, or an option is unknown.
    """
    _check_choice("form", form, Form)
    _check_choice("returns", returns, Returns)
    _check_choice("constant", constant, Constant)
    log_c, alpha = _log_c_and_alpha(student_logprob, teacher_logprob, alpha, sequence)
    if form == "sequence_mixture":
        log_c = _sequence_sum(log_c, sequence)
    log_ratio = _log_mixture_ratio(log_c, alpha)
    log_student_share = alpha.log() - log_ratio
    if form == "product":
        log_ratio = _sum_to_go(torch.log1p(alpha * (1 - log_c.exp())), sequence)
        log_student_share = _sum_to_go(log_student_share, sequence)
    elif form == "token" and returns == "reward_to_go":
        log_ratio = _sum_to_go(log_ratio, sequence)
    coefficient = log_ratio + log_student_share.exp() - 1
    return coefficient + (1 - alpha) if constant == "drop" else coefficient


def surrogate(
    student_logprob: Tensor,
    coefficient: Tensor,
    sampler_logprob: Tensor | None = None,
    importance: Importance = "none",
    clip_range: float = 0.2,
) -> Tensor:
    """Per-token loss whose gradient is -coefficient * [rho_t] * grad log q(y_t).

    rho_t = q(y_t | y_<t) / q_old(y_t | y_<t) corrects for outputs drawn from an older student. It
    corrects the token, not the distribution of its prefix (as PPO and GRPO do).

    * ``none``: -lambda log q.
    * ``ratio``: -lambda rho.
    * ``clipped``: -min(lambda rho, lambda clip(rho, 1 - clip_range, 1 + clip_range)), the
      pessimistic bound of PPO. No gradient once the ratio has moved past the range in the
      direction that lambda asks for.

    Args:
        student_logprob: log q(y_t | y_<t) with gradient, [N].
        coefficient: lambda, [N]; held constant.
        sampler_logprob: log q_old(y_t | y_<t) at temperature 1, recorded when the output was
            drawn, [N]; held constant. Needed unless `importance` is ``none``.
        importance: see above; the paper names importance sampling in a figure caption only.
        clip_range: half-width of the clipping range, positive.

    Returns:
        Loss, [N]; only its gradient has a meaning.

    Raises:
        ValueError: if `importance` is unknown, or needs a `sampler_logprob` that is missing.
    """
    _check_choice("importance", importance, Importance)
    coefficient = coefficient.detach()
    if importance == "none":
        return -coefficient * student_logprob
    if sampler_logprob is None:
        raise ValueError(f"importance={importance!r} needs sampler_logprob")
    ratio = (student_logprob - sampler_logprob.detach()).exp()
    if importance == "ratio":
        return -coefficient * ratio
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -torch.minimum(coefficient * ratio, coefficient * clipped)


def _log_mixture_ratio(log_c: Tensor, alpha: Tensor) -> Tensor:
    """log(m/q) = log(alpha + (1 - alpha) c), from log c."""
    return torch.logaddexp(alpha.log(), (1 - alpha).log() + log_c)


def _log_c_and_alpha(
    student_logprob: Tensor, teacher_logprob: Tensor, alpha: float | Tensor, sequence: Tensor
) -> tuple[Tensor, Tensor]:
    """Check the arguments; return log c = log p - log q, and alpha as a tensor."""
    shapes = [tuple(x.shape) for x in (student_logprob, teacher_logprob, sequence)]
    if student_logprob.dim() != 1 or len(set(shapes)) > 1:
        raise ValueError(f"expected three tensors of one shape [N], got {shapes}")
    alpha = torch.as_tensor(alpha, dtype=student_logprob.dtype, device=student_logprob.device)
    if alpha.dim() and alpha.shape != student_logprob.shape:
        raise ValueError(f"alpha must be one number or {shapes[0]}, got {tuple(alpha.shape)}")
    if (sequence.diff() < 0).any():
        raise ValueError("sequence must not decrease: the tokens of a sequence belong together")
    return teacher_logprob - student_logprob, alpha


def _sequence_sum(values: Tensor, sequence: Tensor) -> Tensor:
    """At each token, the sum over all tokens of its sequence; [N] -> [N]."""
    _, lengths = torch.unique_consecutive(sequence, return_counts=True)
    first = lengths.cumsum(0) - lengths
    return _sum_to_go(values, sequence)[first].repeat_interleave(lengths)


def _sum_to_go(values: Tensor, sequence: Tensor) -> Tensor:
    """At each token, the sum over it and all later tokens of its sequence; [N] -> [N]."""
    # One cumulative sum per sequence: differences of a single one over the whole batch would lose
    # the digits of short sums behind long ones.
    _, lengths = torch.unique_consecutive(sequence, return_counts=True)
    sums = torch.empty_like(values)
    start = 0
    for length in lengths.tolist():
        part = slice(start, start + length)
        sums[part] = values[part].flip(0).cumsum(0).flip(0)
        start += length
    return sums


def _check_choice(name: str, value: str, choices: object) -> None:
    if value not in get_args(choices):
        raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}")
