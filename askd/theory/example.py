"""Enumerated examples: a teacher, a student, and the quality of every sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from askd.skewness import batch_advantages, clip_correct, project
from askd.theory.tabular import SequenceSpace

ALPHAS = (0.2, 0.5, 0.9)


@dataclass(frozen=True)
class Example:
    """Two models on a space of sequences, whose quality gives each sequence its skewness.

    Attributes:
        space: the sequences.
        student: logits of q, [P, V], float64.
        teacher: logits of p, [P, V], float64.
        correct: whether each sequence is a right answer, [S].
        beta: scale of the projection of rewards to alpha.
    """

    space: SequenceSpace
    student: Tensor
    teacher: Tensor
    correct: Tensor
    beta: float = 1.0

    @cached_property
    def alpha(self) -> Tensor:
        """alpha(y) of binary rewards that are standardised over all sequences, [S]; Eq. 12."""
        advantages = batch_advantages(self.correct.double().numpy())
        return torch.from_numpy(project(advantages, self.beta))

    @cached_property
    def kappa(self) -> Tensor:
        """kappa(y): 0 for right answers, else 1, [S]; Eq. 13."""
        return torch.from_numpy(clip_correct(self.correct.numpy()))

    @property
    def sequence(self) -> Tensor:
        """Index of the sequence that each of all tokens belongs to, [N]."""
        return torch.arange(self.space.sequence_count).repeat_interleave(self.space.length)

    @property
    def student_logprobs(self) -> Tensor:
        """log q of each token, [S, T]."""
        return self.space.token_logprobs(self.student)

    @property
    def teacher_logprobs(self) -> Tensor:
        """log p of each token, [S, T]."""
        return self.space.token_logprobs(self.teacher)

    @property
    def student_probabilities(self) -> Tensor:
        """q of each sequence, [S]."""
        return self.student_logprobs.sum(1).exp()

    @property
    def teacher_probabilities(self) -> Tensor:
        """p of each sequence, [S]."""
        return self.teacher_logprobs.sum(1).exp()

    def with_student(self, student: Tensor) -> Example:
        """The same example with another student."""
        return replace(self, student=student)


def examples(
    count: int = 5, vocabulary: int = 3, length: int = 3, scale: float = 1.0, beta: float = 1.0
) -> list[Example]:
    """Pairs of random models: logits are normal with standard deviation `scale`.

    A sequence is a right answer if the sum of its tokens is a multiple of the vocabulary's size.
    """
    space = SequenceSpace(vocabulary, length)
    correct = space.tokens.sum(1) % vocabulary == 0
    shape = (2, space.prefix_count, vocabulary)
    return [
        Example(
            space,
            *(scale * torch.randn(shape, generator=_generator(seed), dtype=torch.float64)),
            correct,
            beta,
        )
        for seed in range(count)
    ]


def cases(
    examples: Sequence[Example], alphas: Sequence[float] = ALPHAS
) -> Iterator[tuple[Example, float]]:
    """Each example with each alpha that is the same for all sequences."""
    return ((example, alpha) for example in examples for alpha in alphas)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
