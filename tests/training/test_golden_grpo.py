"""GRPO's loss on the teacher's outputs by hand: the advantage times the coefficient of skew KL.

Models, answers and coefficients are those of tests/objectives/test_golden.py, whose two answers
have the skewness 0.8 and 0.3; the advantages are those of the one right answer and of a wrong one
among four (tests/test_skewness.py).
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from askd.config import Method, validate
from askd.models.logprobs import collate
from askd.training.objective import Objective, Totals
from askd.training.rows import Row

VOCABULARY = 6
# Prompt, answer, skewness, advantage; and by hand the factor A lambda of each token, its mean, and
# the loss, which is the mean of -A lambda log q.
CASES = {
    "right": (
        ([0, 0], [1, 2, 3], 0.8, 1.4997),
        ((1.28414483, 1.24220025, 1.46204374), 1.32946294, 3.15500447),
    ),
    "wrong": (
        ([0], [4, 0], 0.3, -0.4999),
        ((-0.12694299, -0.22816718), -0.17755509, -0.56225886),
    ),
}


def logits(wave, phase: float, frequency: float, case: str) -> torch.Tensor:
    """2 sin(1.3 b + 0.7 t v) of the student, 2 cos(0.9 b + 0.5 t v) of the teacher; [n, V]."""
    (prompt, answer, _, _), _ = CASES[case]
    b, v = 1 + list(CASES).index(case), torch.arange(1.0, VOCABULARY + 1, dtype=torch.float64)
    t = torch.arange(len(prompt), len(prompt) + len(answer), dtype=torch.float64)[:, None]
    return 2 * wave(phase * b + frequency * t * v)


@pytest.mark.parametrize("case", CASES)
def test_the_advantage_is_a_factor_of_the_coefficient(methods, case):
    (prompt, answer, skewness, advantage), (factors, mean, value) = CASES[case]
    student = logits(torch.sin, 1.3, 0.7, case).requires_grad_()
    teacher = logits(torch.cos, 0.9, 0.5, case).log_softmax(-1)
    token = torch.arange(len(answer)), torch.tensor(answer)
    term = {**methods["grpo"].tgo.model_dump(), "skewness": skewness}
    # Its hidden states are its logits.
    model = SimpleNamespace(get_output_embeddings=torch.nn.Identity, config=None)
    objective = Objective(
        validate(Method, {"label": "GRPO", "tgo": term}, "grpo"),
        model,
        None,
        VOCABULARY,
        0,
        "sequence",
        99,
    )
    row = Row(
        side="tgo",
        prompt_id="p",
        sample_id=0,
        prompt=prompt,
        response=answer,
        text="",
        advantage=advantage,
        teacher_logprobs=teacher[token].tolist(),
    )
    batch = collate([(prompt, answer)], 0, student.device)
    loss, log = objective.of_hidden_states([row], Totals([row]), batch, student, None)
    assert loss.item() == pytest.approx(value, rel=1e-6)
    assert log["tgo_coefficient"] == pytest.approx(mean, rel=1e-6)
    # What trains: the slope in the answer's own logit is -A lambda (1 - q) / n.
    (slope,) = torch.autograd.grad(loss, student)
    others = 1 - student.detach().softmax(-1)[token]
    expected = -torch.tensor(factors, dtype=torch.float64) * others / len(answer)
    torch.testing.assert_close(slope[token], expected, rtol=1e-5, atol=1e-7)
