"""The training loop: accumulation, learning rates, errors, and an early end."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from askd.config import Method, Training, validate
from askd.errors import AskdError
from askd.training.objective import Objective, Totals
from askd.training.trainer import DistillationTrainer, learning_rate_factor

CONFIG = Path(__file__).resolve().parents[2] / "config" / "methods.yaml"
SHIPPED = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["methods"]
# Those that share the settings of another are ablations of it, and run the same code.
NAMES = [name for name, value in SHIPPED.items() if "tuned_as" not in value]
BASE = {"learning_rate": 0.01, "steps_per_round": 6, "prompts_per_step": 2, "warmup_steps": 2}


class Steps:
    """Rows of steps that are known beforehand."""

    def __init__(self, *steps: list) -> None:
        self.given = steps
        self.steps = len(steps)
        self.rows_per_step = max(map(len, steps))

    def rows(self, step: int) -> list:
        return self.given[step]


@pytest.fixture
def make_trainer(make_model, tmp_path):
    """Makes a trainer of a model in double precision."""

    def make(
        method,
        source,
        objective=None,
        first_step=0,
        total_steps=6,
        model=None,
        state=None,
        **settings,
    ):
        training = Training(**{**BASE, **settings})
        student, teacher = model or make_model(16, seed=2).double(), make_model(24, seed=1).double()
        if objective is None:
            objective = Objective(
                method,
                student,
                teacher if method.needs_teacher_model else None,
                102,
                0,
                training.reduction,
                training.head_chunk,
            )
        state = state or tmp_path / f"state{len(list(tmp_path.iterdir()))}"
        return DistillationTrainer(
            student, source, objective, training, 0.01, first_step, total_steps, state, "the run"
        )

    return make


def weights(model) -> np.ndarray:
    return torch.cat([value.detach().flatten() for value in model.parameters()]).numpy().copy()


# --- steps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_micro_batches_make_the_same_step(make_trainer, make_rows, methods, name):
    rows = make_rows(methods[name])
    results = []
    for size in (1000, 1, 2, 3):
        trainer = make_trainer(methods[name], Steps(rows, rows), micro_batch_size=size)
        before = weights(trainer.model)
        _, log = trainer.run()
        results.append((weights(trainer.model), [entry["loss"] for entry in log]))
    assert np.abs(results[0][0] - before).max() > 1e-3
    for after, losses in results[1:]:
        assert np.abs(after - results[0][0]).max() < 1e-6
        assert losses == pytest.approx(results[0][1], rel=1e-5)


def test_steps_are_those_of_adamw_on_the_loss_of_all_rows(
    make_trainer, make_model, make_rows, methods
):
    steps = [make_rows(methods["askd"], seed=seed) for seed in (0, 1)]
    model = make_model(16, seed=2).double()
    objective = Objective(methods["askd"], model, None, 102, 0, "sequence", 999)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.8, 0.9), weight_decay=0.0)
    losses, norms = [], []
    for rate, rows in zip((0.005, 0.01), steps, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss, _ = objective(rows, Totals(rows))
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05).item())
        optimizer.step()
    assert min(norms) > 0.05
    trainer = make_trainer(
        methods["askd"],
        Steps(*steps),
        micro_batch_size=2,
        max_grad_norm=0.05,
        adam_betas=(0.8, 0.9),
    )
    _, log = trainer.run()
    assert np.abs(weights(trainer.model) - weights(model)).max() < 1e-6
    assert [entry["loss"] for entry in log] == pytest.approx(losses, rel=1e-5)
    assert [entry["grad_norm"] for entry in log] == pytest.approx(norms, rel=1e-4)


def test_a_step_whose_rows_are_all_clipped_changes_nothing(make_trainer, make_rows):
    term = {"divergence": "srkl", "estimator": "sampled", "skewness": 0.1, "clip_correct": True}
    method = validate(Method, {"label": "x", "sgo": term}, "x")
    rows = [dataclasses.replace(row, kappa=0.0) for row in make_rows(method)]
    trainer = make_trainer(method, Steps(rows), micro_batch_size=2)
    before = weights(trainer.model)
    table, [log] = trainer.run()
    assert np.array_equal(weights(trainer.model), before)
    assert log["loss"] == log["grad_norm"] == log["sgo_kept"] == 0
    assert len(table) == len(rows)


def test_the_log_and_the_rows_of_a_training(make_trainer, make_rows, methods):
    method = methods["askd"]
    steps = [make_rows(method, seed=seed) for seed in range(3)]
    table, log = make_trainer(method, Steps(*steps), micro_batch_size=3).run()
    assert [entry["step"] for entry in log] == [1, 2, 3]
    own = [row for row in steps[1] if row.side == "sgo"]
    assert log[1]["sgo_alpha"] == pytest.approx(np.mean([row.alpha for row in own]))
    assert log[1]["sgo_kept"] == pytest.approx(np.mean([row.kappa for row in own]))
    assert log[1]["sgo_tokens"] == pytest.approx(np.mean([len(row.response) for row in own]))
    assert log[1]["tgo_loss"] + log[1]["sgo_loss"] == pytest.approx(log[1]["loss"], rel=1e-5)
    assert 0 < log[1]["tgo_coefficient"] < 1
    expected = [(step, row) for step, rows in enumerate(steps) for row in rows]
    for found, (step, row) in zip(table.to_pylist(), expected, strict=True):
        assert (found["step"], found["side"], found["prompt_id"]) == (step, row.side, row.prompt_id)
        assert found["response"] == row.response
        assert found["alpha"] == row.alpha and found["kappa"] == row.kappa


def test_the_log_has_the_mean_reward_of_each_side_that_has_rewards(
    make_trainer, make_rows, methods
):
    rows = [
        dataclasses.replace(row, reward=float(number % 3 == 0))
        for number, row in enumerate(make_rows(methods["askd"]))
    ]
    _, [log] = make_trainer(methods["askd"], Steps(rows), micro_batch_size=3).run()
    for side in ("tgo", "sgo"):
        own = [row.reward for row in rows if row.side == side]
        assert 0 < log[f"{side}_reward"] == pytest.approx(np.mean(own))
    mixed = [
        dataclasses.replace(row, reward=float("nan")) if row.side == "tgo" else row for row in rows
    ]
    _, [log] = make_trainer(methods["askd"], Steps(mixed)).run()
    assert "sgo_reward" in log and "tgo_reward" not in log


def test_clipped_rows_with_an_outcome_are_part_of_the_step(make_trainer, make_rows, methods):
    """Without their outcomes the step is another one."""
    rows = make_rows(methods["askd-plus"])
    assert {(row.kappa, row.outcome != 0) for row in rows if row.side == "sgo"} == {
        (1.0, True),
        (0.0, True),
        (0.0, False),
    }
    results = []
    dropped = [row if row.kappa else dataclasses.replace(row, outcome=0.0) for row in rows]
    for changed in (rows, dropped):
        trainer = make_trainer(methods["askd-plus"], Steps(changed, changed))
        table, _ = trainer.run()
        assert table.column("outcome").to_pylist() == [row.outcome for row in [*changed] * 2]
        results.append(weights(trainer.model))
    assert np.abs(results[0] - results[1]).max() > 1e-3


def test_a_training_that_ended_early_stays_ended(make_trainer, make_rows, methods, tmp_path):
    """It ended where a checkpoint was saved, and was killed before its model was."""
    rows = make_rows(methods["sft"])
    logs = []
    for _ in range(2):
        trainer = make_trainer(
            methods["sft"], Steps(*[rows] * 6), state=tmp_path / "state", checkpoint_every=2
        )
        trainer.is_done = lambda step: step == 2
        logs.append([entry["step"] for entry in trainer.run()[1]])
    assert logs == [[1, 2], [1, 2]]


def test_training_can_end_early(make_trainer, make_rows, methods):
    rows = make_rows(methods["sft"])
    trainer = make_trainer(methods["sft"], Steps(*[rows] * 5))
    trainer.is_done = lambda step: step == 2
    table, log = trainer.run()
    assert [entry["step"] for entry in log] == [1, 2]
    assert set(table.column("step").to_pylist()) == {0, 1}


# --- learning rate -----------------------------------------------------------------------------


def test_the_learning_rate_warms_up_and_falls_to_its_end():
    settings = Training(**{**BASE, "warmup_steps": 4, "final_learning_rate": 0.2})
    factors = [learning_rate_factor(step, 20, settings) for step in range(21)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[12] == pytest.approx(0.6)
    assert factors[20] == pytest.approx(0.2)
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert learning_rate_factor(25, 20, settings) == pytest.approx(0.2)


def test_no_warmup_and_no_steps_left_are_fine():
    settings = Training(**{**BASE, "warmup_steps": 0})
    assert learning_rate_factor(0, 10, settings) == 1
    longer = Training(**{**BASE, "warmup_steps": 10})
    assert learning_rate_factor(9, 5, longer) == 1


def test_the_learning_rate_schedule_spans_the_rounds(make_trainer, make_rows, methods):
    rows, method = make_rows(methods["sft"]), methods["sft"]

    def rates(steps, first_step):
        trainer = make_trainer(method, Steps(*[rows] * steps), first_step=first_step)
        return [entry["learning_rate"] for entry in trainer.run()[1]]

    assert rates(3, 0) + rates(3, 3) == pytest.approx(rates(6, 0), rel=1e-12)
    settings = Training(**BASE)
    used = [0.01 * learning_rate_factor(step, 6, settings) for step in range(6)]
    assert rates(6, 0) == pytest.approx(used, rel=1e-12)


# --- what is not finite ------------------------------------------------------------------------


def test_a_student_with_a_weight_that_is_no_number_is_refused(
    make_trainer, make_model, make_rows, methods
):
    model = make_model(16).double()
    model.model.layers[0].mlp.up_proj.weight.data[0, 0] = torch.nan
    trainer = make_trainer(methods["sft"], Steps(make_rows(methods["sft"])), model=model)
    with pytest.raises(AskdError, match=r"the run: the loss is nan at step 0 of this round; lower"):
        trainer.run()


def test_a_loss_that_is_not_finite_names_its_step(make_trainer, make_rows):
    """The printed form of Eq. 11 has no value where p is much larger than q."""
    term = {
        "divergence": "srkl",
        "estimator": "sampled",
        "form": "product",
        "skewness": "projected",
    }
    method = validate(Method, {"label": "x", "sgo": term}, "x")
    zero = [dataclasses.replace(row, alpha=0.0) for row in make_rows(method)]
    large = [
        dataclasses.replace(row, alpha=0.9, teacher_logprobs=[-0.01] * len(row.response))
        for row in make_rows(method)
    ]
    with pytest.raises(AskdError, match=r"the run: the loss is nan at step 1 of this round"):
        make_trainer(method, Steps(zero, large)).run()


def test_a_gradient_that_is_not_finite_names_its_step(make_trainer, make_model, make_rows, methods):
    model = make_model(16).double()

    class SquareRoot:
        method = methods["sft"]
        calls = 0

        def __call__(self, rows, totals):
            self.calls += 1
            distance = model.lm_head.weight.square().sum() * (self.calls < 3)
            return distance.sqrt(), {}

    rows = make_rows(methods["sft"])
    trainer = make_trainer(methods["sft"], Steps(*[rows] * 4), SquareRoot(), model=model)
    with pytest.raises(AskdError, match=r"the run: the gradient is not finite at step 2 of this"):
        trainer.run()
