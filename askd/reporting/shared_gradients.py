"""Gradients of many losses on the same outputs, from one forward pass of each model over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from askd.models.logprobs import collate, response_hidden_states
from askd.training.objective import Objective, Totals
from askd.training.rows import Row


def gradients(
    losses: Sequence[tuple[Objective, Sequence[Row]]], micro_batch_size: int
) -> np.ndarray:
    """The gradient of each loss with respect to all P parameters of the student, [E, P].

    All have the same student and teacher, and rows with the same tokens in the same order; only
    what their objectives read of a row may differ. Each gradient is that of an optimizer step on
    the rows, in which those that are clipped count in the mean.
    """
    first, rows = losses[0]
    student, teacher = first.student, first.teacher
    parameters = list(student.parameters())
    total = torch.zeros(len(losses), sum(parameter.numel() for parameter in parameters))
    totals = [Totals(own) for _, own in losses]
    for start in range(0, len(rows), micro_batch_size):
        part = slice(start, start + micro_batch_size)
        batch = collate(
            [(row.prompt, row.response) for row in rows[part]],
            first.pad_token_id,
            parameters[0].device,
        )
        hidden = response_hidden_states(student, batch)
        with torch.no_grad():
            teacher_hidden = response_hidden_states(teacher, batch)
        for number, (objective, own) in enumerate(losses):
            loss, _ = objective.of_hidden_states(
                own[part], totals[number], batch, hidden, teacher_hidden
            )
            slopes = torch.autograd.grad(
                loss, parameters, retain_graph=True, materialize_grads=True
            )
            total[number] += torch.cat([slope.flatten() for slope in slopes]).float().cpu()
    return total.numpy()
