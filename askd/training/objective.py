"""The loss of a method on a micro-batch: its terms, their estimators, and the reduction.

N response tokens, H width, V vocabulary.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from askd.config import Method
from askd.models.logprobs import Batch, collate, head_logprobs, response_hidden_states
from askd.objectives.reduction import token_weights
from askd.training.rows import Row


class Totals:
    """The rows of a whole optimizer step by side, and their sequences and response tokens."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.sequences: dict[str, int] = defaultdict(int)
        self.tokens: dict[str, int] = defaultdict(int)
        for row in rows:
            self.rows[row.side].append(row)
            self.sequences[row.side] += 1
            self.tokens[row.side] += len(row.response)


class Objective:
    """The loss of `method` for a student, with the teacher at hand where a term needs it.

    The loss is a plain sum over micro-batches: each token carries its weight in the whole step,
    so that it does not matter how a step is split.
    """

    def __init__(
        self,
        method: Method,
        student: PreTrainedModel,
        teacher: PreTrainedModel | None,
        vocabulary: int,
        pad_token_id: int,
        reduction: str,
        head_chunk: int,
    ) -> None:
        self.method = method
        self.student = student
        self.teacher = teacher
        self.vocabulary = vocabulary
        self.pad_token_id = pad_token_id
        self.reduction = reduction
        self.head_chunk = head_chunk
        # By name: the workflow reruns a training only when a module that its method names changes.
        self.modules: dict[str, ModuleType] = {
            name.rsplit(".", 1)[1]: importlib.import_module(name)
            for name in method.objective_modules
        }

    def __call__(self, rows: Sequence[Row], totals: Totals) -> tuple[Tensor, dict[str, float]]:
        """Loss of `rows` (nats), and sums for the log: effective coefficients and losses by side.

        `totals` counts the whole step, also rows that do not count (`Row.counts`) and need not be
        in `rows`.
        """
        batch = collate(
            [(row.prompt, row.response) for row in rows],
            self.pad_token_id,
            next(self.student.parameters()).device,
        )
        hidden = response_hidden_states(self.student, batch)
        teacher_hidden = None
        if self.teacher is not None:
            with torch.no_grad():
                teacher_hidden = response_hidden_states(self.teacher, batch)
        return self.of_hidden_states(rows, totals, batch, hidden, teacher_hidden)

    def of_hidden_states(
        self,
        rows: Sequence[Row],
        totals: Totals,
        batch: Batch,
        hidden: Tensor,
        teacher_hidden: Tensor | None,
    ) -> tuple[Tensor, dict[str, float]]:
        """The same, from what the models make of `batch`, [N, H]; other losses may share it."""
        device = hidden.device
        loss = torch.zeros((), dtype=torch.float64, device=device)
        sums: dict[str, float] = {}
        for side, term in self.method.terms.items():
            members = [number for number, row in enumerate(rows) if row.side == side]
            if not members:
                continue
            chosen = torch.isin(batch.sequence, torch.tensor(members, device=device))
            side_rows = [rows[number] for number in members]
            token_loss, coefficient = self._term(
                term,
                _Tokens(side_rows, totals.rows[side], batch, chosen),
                hidden[chosen],
                None if teacher_hidden is None else teacher_hidden[chosen],
            )
            lengths = batch.lengths[members]
            weights = token_weights(
                lengths, self.reduction, totals.sequences[side], totals.tokens[side]
            )
            kappa = torch.tensor([row.kappa for row in side_rows], device=device)
            kappa = kappa.repeat_interleave(lengths)
            side_loss = term.weight * (weights * kappa * token_loss).sum()
            if getattr(term, "outcome", "none") != "none":
                outcome = torch.tensor([row.outcome for row in side_rows], device=device)
                logprob = self._logprob(hidden[chosen], batch.targets[chosen])
                advantage = outcome.repeat_interleave(lengths)
                side_loss = side_loss - term.weight * (weights * advantage * logprob).sum()
            loss = loss + side_loss
            sums[f"{side}_loss"] = float(side_loss.detach())
            if coefficient is not None:
                sums[f"{side}_coefficient"] = float((weights * kappa * coefficient).sum())
        return loss, sums

    def _term(
        self, term: Any, tokens: _Tokens, hidden: Tensor, teacher_hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Loss per token [N], and for sampled terms the coefficient of -log q per token [N]."""
        module = self.modules[term.objective]
        if term.full_vocabulary:
            divergence, numbers = _full_vocabulary_divergence(term, module, tokens)

            def chunk_loss(student: Tensor, teacher: Tensor, *numbers: Tensor) -> Tensor:
                with torch.no_grad():
                    teacher_logprobs = head_logprobs(self.teacher, teacher, self.vocabulary)
                return divergence(
                    head_logprobs(self.student, student, self.vocabulary),
                    teacher_logprobs,
                    *numbers,
                )

            return self._chunked(chunk_loss, hidden, teacher_hidden, *numbers), None

        logprob = self._logprob(hidden, tokens.targets)
        if term.divergence == "nll":
            return module.nll(logprob), None
        arguments = (
            logprob,
            tokens.numbers("teacher"),
            tokens.alpha(term),
            tokens.sequence,
        )
        if term.divergence == "skl":
            coefficient = module.skew_kl_coefficient(*arguments, form=term.form)
        else:
            coefficient = module.skew_reverse_kl_coefficient(
                *arguments, form=term.form, returns=term.returns, constant=term.constant
            )
        if term.advantage_factor:
            coefficient = tokens.advantage() * coefficient
        sampler_logprob = None if term.importance == "none" else tokens.numbers("sampler")
        loss = module.surrogate(
            logprob, coefficient, sampler_logprob, term.importance, term.clip_range
        )
        return loss, coefficient

    def _logprob(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """log q of the sampled tokens, [N]."""

        def chunk_logprob(student: Tensor, target: Tensor) -> Tensor:
            logprobs = head_logprobs(self.student, student, self.vocabulary)
            return logprobs.gather(1, target[:, None])[:, 0]

        return self._chunked(chunk_logprob, hidden, targets)

    def _chunked(self, function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
        """`function` on chunks of N; a chunk's [n, V] is computed anew in the backward pass."""
        parts = list(zip(*(tensor.split(self.head_chunk) for tensor in tensors), strict=True))
        if len(parts) == 1:
            return function(*tensors)
        return torch.cat([checkpoint(function, *part, use_reentrant=False) for part in parts])


def _full_vocabulary_divergence(
    term: Any, module: ModuleType, tokens: _Tokens
) -> tuple[Callable[..., Tensor], tuple[Tensor, ...]]:
    """The divergence of student and teacher that `term` names, and its arguments behind them."""
    if term.divergence == "kl":
        return module.forward_kl, ()
    if term.divergence == "akl":
        return partial(module.adaptive_kl, head_mass=term.head_mass), ()
    if term.divergence == "jsd":
        return partial(module.generalized_jsd, beta=term.beta), ()
    if term.divergence == "rkl":
        advantage = _whitened_returns(term, module, tokens)
        arguments = (tokens.targets, tokens.numbers("sampler"), advantage)
        return partial(module.policy_gradient, clip_range=term.clip_range), arguments
    if term.divergence == "skl":
        return module.skew_kl, (tokens.alpha(term),)
    detached = partial(module.skew_reverse_kl, detach_mixture=term.detach_mixture)
    return detached, (tokens.alpha(term),)


def _whitened_returns(term: Any, module: ModuleType, tokens: _Tokens) -> Tensor:
    """The advantage of each token, [N]; its moments are those of the whole step."""

    def returns(rows: Sequence[Row]) -> Tensor:
        # float64: sums over a whole step, whose rows may come in any order.
        old, teacher = (_numbers(rows, name).double() for name in ("old", "teacher"))
        rewards = module.log_ratio_rewards(old, teacher, term.reward_scale, term.reward_limit)
        lengths = torch.tensor([len(row.response) for row in rows])
        sequence = torch.arange(len(rows)).repeat_interleave(lengths)
        return module.normalized_returns(rewards, sequence, term.discount)

    whitened = module.whiten(returns(tokens.rows), returns(tokens.step_rows))
    return whitened.float().to(tokens.targets.device)


def _numbers(rows: Sequence[Row], name: str) -> Tensor:
    """One number per token from the lists `name`_logprobs of `rows`, [N]."""
    return torch.tensor([number for row in rows for number in getattr(row, f"{name}_logprobs")])


class _Tokens:
    """The response tokens of one side of a micro-batch and their numbers, all [N]."""

    def __init__(
        self, rows: Sequence[Row], step_rows: Sequence[Row], batch: Batch, chosen: Tensor
    ) -> None:
        self.rows = rows
        self.step_rows = step_rows
        self.targets = batch.targets[chosen]
        self.sequence = batch.sequence[chosen]
        self.lengths = batch.lengths[self.sequence.unique()]

    def alpha(self, term: Any) -> Tensor:
        """The rows' own skewness where the term projects it, else the term's fixed one."""
        if getattr(term, "skewness", None) == "projected":
            return self._by_row([row.alpha for row in self.rows])
        return torch.full(self.targets.shape, getattr(term, "skewness", 1.0)).to(
            self.targets.device
        )

    def advantage(self) -> Tensor:
        """The rows' advantages, each on all tokens of its row."""
        return self._by_row([row.advantage for row in self.rows])

    def _by_row(self, values: list[float]) -> Tensor:
        return torch.tensor(values, device=self.targets.device).repeat_interleave(self.lengths)

    def numbers(self, name: str) -> Tensor:
        """One number per token from the rows' lists `name`_logprobs."""
        return _numbers(self.rows, name).to(self.targets.device)
