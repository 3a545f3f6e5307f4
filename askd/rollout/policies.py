"""Policies in which the teacher takes part in sampling the student's outputs, token by token.

q is the student's distribution of the next token and p the teacher's, both warped by temperature
and nucleus like any rollout's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from askd.models.folder import LanguageModel
from askd.models.logprobs import head_logprobs
from askd.rollout.sampler import Warp, invert


class TeacherSteps:
    """The teacher's log-probabilities of the next token, step by step, with its own cache.

    Args:
        teacher: shares the student's tokenizer.
        attention_mask: of the prompts, which are padded on the left, [B, T].
    """

    def __init__(self, teacher: LanguageModel, attention_mask: Tensor) -> None:
        self.teacher = teacher
        self.mask = attention_mask
        self.cache = None

    def __call__(self, input_ids: Tensor) -> Tensor:
        """Log-probabilities, [B, V], behind `input_ids`: one token more than in the last call."""
        if self.cache is not None:
            self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], dim=1)
        new = slice(None) if self.cache is None else slice(-1, None)
        # Padding has no position; what it is given is masked.
        positions = (self.mask.cumsum(dim=-1) - 1).clamp(min=0)
        output = self.teacher.model.get_decoder()(
            input_ids=input_ids[:, new],
            attention_mask=self.mask,
            position_ids=positions[:, new],
            past_key_values=self.cache,
            use_cache=True,
        )
        self.cache = output.past_key_values
        return head_logprobs(
            self.teacher.model, output.last_hidden_state[:, -1], self.teacher.vocabulary
        )


class Mixture:
    """MiniLLM's policy: a mixture of probabilities, (1 - a) q + a p, at every token.

    Args:
        teacher: gives p.
        warp: of p, as it is of q.
        teacher_weight: a, in [0, 1]; at 0 the student samples alone, at 1 the teacher.
    """

    def __init__(self, teacher: TeacherSteps, warp: Warp, teacher_weight: float) -> None:
        self.teacher = teacher
        self.warp = warp
        # -inf for a model without weight.
        weights = torch.tensor([1 - teacher_weight, teacher_weight], dtype=torch.float64)
        self.log_weights = weights.log().tolist()

    def __call__(
        self, step: int, input_ids: Tensor, student: Tensor, numbers: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A token of each row from the mixture, and its log-probability in the mixture."""
        teacher = self.warp(self.teacher(input_ids))
        mixture = torch.logaddexp(self.log_weights[0] + student, self.log_weights[1] + teacher)
        token = invert(mixture, numbers)
        return token, mixture.gather(1, token)[:, 0]


class Speculative:
    """Speculative KD's policy: the student drafts a token; the teacher keeps or replaces it.

    A draft from q stays if it is among the first `top_k` tokens of the teacher's unwarped
    distribution, else a token from p takes its place. The authors' procedure drafts several tokens
    at once, lets the teacher check them in one pass, and throws away what follows a replacement.
    That is the same distribution, token for token, whatever the number of drafts: a draft that is
    thrown away leaves no trace, and no token is added where all drafts stay. So the number is a
    matter of speed alone, and here it is one.

    Given its prefix, a token has probability q(v) [v in top] + q(not top) p(v).

    Args:
        teacher: gives p.
        warp: of p, as it is of q.
        top_k: with the whole vocabulary the student samples alone.
        replacements: numbers that draw from the teacher, [B, T]; the student's draw the drafts.
    """

    def __init__(self, teacher: TeacherSteps, warp: Warp, top_k: int, replacements: Tensor) -> None:
        self.teacher = teacher
        self.warp = warp
        self.top_k = min(top_k, warp.vocabulary)
        self.replacements = replacements

    def __call__(
        self, step: int, input_ids: Tensor, student: Tensor, numbers: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A token of each row, and its log-probability in the distribution given above."""
        scores = self.teacher(input_ids)
        teacher = self.warp(scores)
        best = scores.topk(self.top_k, dim=-1).indices
        is_top = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, best, True)
        draft = invert(student, numbers)
        replacement = invert(teacher, self.replacements[:, step])
        token = torch.where(is_top.gather(1, draft), draft, replacement)
        stays = student.masked_fill(~is_top, -torch.inf)
        rejection = student.masked_fill(is_top, -torch.inf).logsumexp(dim=-1, keepdim=True)
        drawn = torch.logaddexp(stays, rejection + teacher)
        return token, drawn.gather(1, token)[:, 0]
